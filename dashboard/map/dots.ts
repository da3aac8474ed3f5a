// The dots of one layer's assets: points of WebGL, of which only those that change are drawn anew (dots_layer.ts).

import type { Anchor } from "./anchor.ts";
import type { LonLat } from "./geometry.ts";
import { brushOf } from "./icons.ts";
import { attachBuffer, makePen, type Pen } from "./pen.ts";

/** How dots look. Sizes are CSS pixels at a zoom; the edge lies around the radius. Colours are CSS colours. */
export interface DotLook {
  radius(zoom: number): number;
  edge(zoom: number): number;
  /** By the position of a value's class. */
  classes: string[];
  /** Around a dot with a class, and inside one without. */
  ground: string;
  /** Around a dot without a class. */
  hollow: string;
}

/** What is looked at: MapLibre's matrix from Mercator coordinates to clip space, and device pixels per CSS pixel. */
export interface View {
  matrix: ArrayLike<number>;
  zoom: number;
  ratio: number;
}

const VERTEX = `#version 300 es
uniform mat4 view;
uniform float radius;
uniform float edge;
in vec2 place;
in vec4 paint;
flat out vec4 dot_paint;
void main() {
  gl_Position = view * vec4(place, 0.0, 1.0);
  gl_PointSize = 2.0 * (radius + edge) + 1.0;
  dot_paint = paint;
}`;

/** The last part of `paint` is 0 for a dot without a class. Both circles fade over one pixel. */
const FRAGMENT = `#version 300 es
precision highp float;
uniform float radius;
uniform float edge;
uniform vec3 ground;
uniform vec3 hollow;
flat in vec4 dot_paint;
out vec4 colour;
void main() {
  float away = distance(gl_PointCoord, vec2(0.5)) * (2.0 * (radius + edge) + 1.0);
  float cover = clamp(radius + edge - away + 0.5, 0.0, 1.0);
  if (cover == 0.0) discard;
  float inside = clamp(radius - away + 0.5, 0.0, 1.0);
  bool known = dot_paint.a > 0.5;
  colour = vec4(mix(known ? ground : hollow, known ? dot_paint.rgb : ground, inside), 1.0) * cover;
}`;

/** Returns what dots are drawn with. */
export function makeDotPen(gl: WebGL2RenderingContext): Pen {
  return makePen(gl, VERTEX, FRAGMENT);
}

/** What stands for no class in a byte. */
const UNCLASSED = 255;
/** From this share on it is quicker to draw all of them. */
const FEW = 0.2;

export class Dots {
  private look: DotLook | null = null;
  private shown = true;
  private positions = new Map<number, number>();
  private ids: number[] = [];
  /** Two numbers a dot, as the anchor counts. */
  private places = new Float32Array();
  private classes = new Uint8Array();
  /** Red, green, blue and whether there is a class, a byte each. */
  private paints = new Uint32Array();
  private palette: number[] = [];
  /** The positions of those that were painted since they were last drawn; null: all are to be drawn. */
  private changed: Set<number> | null = null;
  private store: Store | null = null;
  private placesSent = false;

  /** `touch` is called when there is something to draw. */
  constructor(
    private anchor: Anchor,
    private touch: () => void,
  ) {}

  /** Adds dots, which have no class yet. */
  add(added: { id: number; place: LonLat }[]): void {
    if (added.length === 0) return;
    const before = this.ids.length;
    this.places = enlarge(this.places, 2 * added.length);
    this.classes = enlarge(this.classes, added.length).fill(UNCLASSED, before);
    this.paints = enlarge(this.paints, added.length);
    added.forEach(({ id, place }, i) => {
      this.positions.set(id, before + i);
      this.ids.push(id);
      this.places.set(this.anchor.locate(place), 2 * (before + i));
    });
    this.placesSent = false;
    this.drawAnew();
  }

  /** Gives a dot its class (a position in the look's classes; null for none), if there is such a dot. */
  paint(id: number, position: number | null): void {
    const i = this.positions.get(id);
    const painted = position ?? UNCLASSED;
    if (i === undefined || this.classes[i] === painted) return;
    this.classes[i] = painted;
    this.paints[i] = this.palette[painted] ?? 0;
    this.changed?.add(i);
    if (this.shown) this.touch();
  }

  /** Returns the class that a dot was given last. */
  classOf(id: number): number | null {
    const painted = this.classes[this.positions.get(id) ?? -1] ?? UNCLASSED;
    return painted === UNCLASSED ? null : painted;
  }

  show(shown: boolean): void {
    if (this.shown === shown) return;
    this.shown = shown;
    this.drawAnew();
  }

  /** Gives the dots another look; they are not drawn before their first. */
  dress(look: DotLook): void {
    this.look = look;
    this.palette = look.classes.map((colour) => new Uint32Array(readColour(colour).buffer)[0]!);
    this.paints.forEach((_, i) => (this.paints[i] = this.palette[this.classes[i]!] ?? 0));
    this.drawAnew();
  }

  /** Returns the dot whose middle is nearest to a place of the ground, of those that reach it with so many pixels to spare. */
  nearest(place: LonLat, zoom: number, marginPx: number): number | null {
    if (!this.look || !this.shown) return null;
    const [x, y] = this.anchor.locate(place);
    let [best, least] = [-1, ((this.look.radius(zoom) + marginPx) / this.anchor.unitPx(zoom)) ** 2];
    for (let i = 0; i < this.ids.length; i++) {
      const away = (this.places[2 * i]! - x) ** 2 + (this.places[2 * i + 1]! - y) ** 2;
      if (away <= least) [best, least] = [i, away]; // the later one lies on top
    }
    return this.ids[best] ?? null;
  }

  get isSeen(): boolean {
    return this.shown && this.ids.length > 0;
  }

  /** Whether all are to be drawn; otherwise those that changed will do, on top of what was drawn before. */
  get isNew(): boolean {
    return this.changed === null || this.changed.size > FEW * this.ids.length;
  }

  /** Forgets what was drawn and sent, which a lost graphics context took along. */
  begin(): void {
    this.store = null;
    this.drawAnew();
  }

  private drawAnew(): void {
    this.changed = null;
    this.touch();
  }

  /** Draws all dots, or those that changed, into what is bound. */
  draw(gl: WebGL2RenderingContext, { program, uniforms }: Pen, { matrix, zoom, ratio }: View, all: boolean): void {
    const some = all ? null : [...(this.changed ?? [])];
    this.changed = new Set();
    if (!this.look || !this.isSeen || some?.length === 0) return;
    gl.useProgram(program);
    this.send(gl, program);
    gl.uniformMatrix4fv(uniforms["view"]!, false, this.anchor.fit(matrix));
    gl.uniform1f(uniforms["radius"]!, this.look.radius(zoom) * ratio);
    gl.uniform1f(uniforms["edge"]!, this.look.edge(zoom) * ratio);
    gl.uniform3fv(uniforms["ground"]!, asFractions(this.look.ground));
    gl.uniform3fv(uniforms["hollow"]!, asFractions(this.look.hollow));
    if (some) {
      gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, Uint32Array.from(some), gl.DYNAMIC_DRAW);
      gl.drawElements(gl.POINTS, some.length, gl.UNSIGNED_INT, 0);
    } else gl.drawArrays(gl.POINTS, 0, this.ids.length);
    gl.bindVertexArray(null);
  }

  /** Brings what the graphics card keeps up to date, and has it drawn from. */
  private send(gl: WebGL2RenderingContext, program: WebGLProgram): void {
    if (!this.store) {
      this.store = keep(gl, program);
      this.placesSent = false;
    }
    gl.bindVertexArray(this.store.vertices);
    if (!this.placesSent) {
      gl.bindBuffer(gl.ARRAY_BUFFER, this.store.places);
      gl.bufferData(gl.ARRAY_BUFFER, this.places, gl.STATIC_DRAW);
      this.placesSent = true;
    }
    gl.bindBuffer(gl.ARRAY_BUFFER, this.store.paints);
    gl.bufferData(gl.ARRAY_BUFFER, this.paints, gl.DYNAMIC_DRAW);
  }
}

/** What the graphics card keeps of a layer's dots. */
interface Store {
  vertices: WebGLVertexArrayObject;
  places: WebGLBuffer;
  paints: WebGLBuffer;
}

function keep(gl: WebGL2RenderingContext, program: WebGLProgram): Store {
  const vertices = gl.createVertexArray();
  gl.bindVertexArray(vertices);
  const places = attachBuffer(gl, program, "place", { parts: 2, type: gl.FLOAT });
  const paints = attachBuffer(gl, program, "paint", { parts: 4, type: gl.UNSIGNED_BYTE, normalized: true });
  gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, gl.createBuffer());
  return { vertices, places, paints };
}

function enlarge<A extends Float32Array | Uint8Array | Uint32Array>(old: A, by: number): A {
  const larger = new (old.constructor as new (length: number) => A)(old.length + by);
  larger.set(old);
  return larger;
}

const colours = new Map<string, Uint8Array>();

/** Returns an opaque colour's red, green, blue and 255. */
function readColour(css: string): Uint8Array {
  let colour = colours.get(css);
  if (!colour) {
    const brush = brushOf(document.createElement("canvas"));
    brush.fillStyle = css;
    brush.fillRect(0, 0, 1, 1);
    colours.set(css, (colour = Uint8Array.from(brush.getImageData(0, 0, 1, 1).data)));
  }
  return colour;
}

function asFractions(css: string): Float32Array {
  return Float32Array.from(readColour(css).subarray(0, 3), (part) => part / 255);
}
