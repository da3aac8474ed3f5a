// The shapes that marked assets of one layer carry over their dots ("full", "fault", "fire"): points of WebGL, each with
// a picture of its own, the worst on top.

import type { Anchor } from "./anchor.ts";
import type { View } from "./dots.ts";
import type { LonLat } from "./geometry.ts";
import { drawMark, MARK_SIZE, type Tokens } from "./icons.ts";
import { attachBuffer, makePen, type Pen, premultiply, takePlainPixels } from "./pen.ts";

/** How marks look: CSS pixels at a zoom, and which of them are drawn there. */
export interface MarkLook {
  side(zoom: number): number;
  isDrawn(name: string, zoom: number): boolean;
}

const VERTEX = `#version 300 es
uniform mat4 view;
uniform float side;
in vec3 mark;
flat out float picture;
void main() {
  gl_Position = view * vec4(mark.xy, 0.0, 1.0);
  gl_PointSize = side;
  picture = mark.z;
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform mediump sampler2DArray pictures;
flat in float picture;
out vec4 colour;
void main() {
  colour = texture(pictures, vec3(gl_PointCoord, picture));
}`;

/** The names that have a picture of their own, the worst last; any other has the first. */
const NAMES = ["other", "offline", "fault", "full", "fire"];

/** What marks are drawn with: a program, and the pictures. */
export interface MarkPen extends Pen {
  pictures: WebGLTexture;
}

export function makeMarkPen(gl: WebGL2RenderingContext, tokens: Tokens): MarkPen {
  const pictures = gl.createTexture();
  takePlainPixels(gl);
  gl.bindTexture(gl.TEXTURE_2D_ARRAY, pictures);
  gl.texImage3D(gl.TEXTURE_2D_ARRAY, 0, gl.RGBA8, MARK_SIZE, MARK_SIZE, NAMES.length, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
  NAMES.forEach((name, i) => {
    const pixels = premultiply(drawMark(name, tokens).data);
    gl.texSubImage3D(gl.TEXTURE_2D_ARRAY, 0, 0, 0, i, MARK_SIZE, MARK_SIZE, 1, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
  });
  gl.generateMipmap(gl.TEXTURE_2D_ARRAY);
  return { ...makePen(gl, VERTEX, FRAGMENT), pictures };
}

export class Marks {
  private look: MarkLook | null = null;
  private shown = true;
  private names = new Map<number, string>();
  /** Where the assets with a mark are, by its name and theirs. */
  private places = new Map<string, Map<number, [number, number]>>();
  private store: Store | null = null;
  /** The names that the graphics card has, and of how many assets; null: some of these have changed. */
  private sent: { names: string[]; count: number } | null = null;

  /** `touch` is called when there is something to draw. */
  constructor(
    private anchor: Anchor,
    private touch: () => void,
  ) {}

  /** The number of assets that are marked. */
  get size(): number {
    return this.names.size;
  }

  /** Gives an asset its mark, or takes it away (""). */
  put(id: number, name: string, place: LonLat): void {
    const old = this.names.get(id) ?? "";
    if (old === name) return;
    this.places.get(old)?.delete(id);
    if (name) {
      const places = this.places.get(name) ?? new Map<number, [number, number]>();
      this.places.set(name, places.set(id, this.anchor.locate(place)));
      this.names.set(id, name);
    } else this.names.delete(id);
    const names = this.sent?.names ?? [];
    if (names.includes(old) || names.includes(name)) this.sent = null;
    if (this.shown) this.touch();
  }

  show(shown: boolean): void {
    this.shown = shown;
    this.touch();
  }

  dress(look: MarkLook): void {
    this.look = look;
    this.touch();
  }

  /** Returns the asset whose mark lies over a place of the ground, with so many pixels to spare: the nearest. */
  nearest(place: LonLat, zoom: number, marginPx: number): number | null {
    if (!this.look || !this.shown) return null;
    const [x, y] = this.anchor.locate(place);
    let [best, least]: [number | null, number] = [null, ((this.look.side(zoom) / 2 + marginPx) / this.anchor.unitPx(zoom)) ** 2];
    for (const name of this.drawnAt(zoom))
      for (const [id, [east, south]] of this.places.get(name)!) {
        const away = (east - x) ** 2 + (south - y) ** 2;
        if (away <= least) [best, least] = [id, away];
      }
    return best;
  }

  /** Forgets what was sent, which a lost graphics context took along. */
  begin(): void {
    [this.store, this.sent] = [null, null];
  }

  /** Draws all marks into what is bound. */
  draw(gl: WebGL2RenderingContext, { program, uniforms, pictures }: MarkPen, { matrix, zoom, ratio }: View): void {
    const names = this.shown ? this.drawnAt(zoom) : [];
    if (!this.look || names.length === 0) return;
    this.store ??= keep(gl, program);
    gl.useProgram(program);
    gl.bindVertexArray(this.store.vertices);
    if (this.sent?.names.join() !== names.join()) this.sent = this.send(gl, this.store.marks, names);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D_ARRAY, pictures);
    gl.uniform1i(uniforms["pictures"]!, 0);
    gl.uniformMatrix4fv(uniforms["view"]!, false, this.anchor.fit(matrix));
    gl.uniform1f(uniforms["side"]!, this.look.side(zoom) * ratio);
    gl.drawArrays(gl.POINTS, 0, this.sent.count);
    gl.bindVertexArray(null);
  }

  /** Returns the names that assets have and that are drawn at a zoom, the worst last. */
  private drawnAt(zoom: number): string[] {
    const names = [...this.places].filter(([name, { size }]) => size > 0 && this.look?.isDrawn(name, zoom)).map(([name]) => name);
    return names.sort((a, b) => pictureOf(a) - pictureOf(b));
  }

  private send(gl: WebGL2RenderingContext, buffer: WebGLBuffer, names: string[]): { names: string[]; count: number } {
    const marks = names.flatMap((name) => [...this.places.get(name)!.values()].map(([x, y]) => [x, y, pictureOf(name)]));
    gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
    gl.bufferData(gl.ARRAY_BUFFER, Float32Array.from(marks.flat()), gl.DYNAMIC_DRAW);
    return { names, count: marks.length };
  }
}

function pictureOf(name: string): number {
  return Math.max(0, NAMES.indexOf(name));
}

/** What the graphics card keeps of a layer's marks. */
interface Store {
  vertices: WebGLVertexArrayObject;
  marks: WebGLBuffer;
}

function keep(gl: WebGL2RenderingContext, program: WebGLProgram): Store {
  const vertices = gl.createVertexArray();
  gl.bindVertexArray(vertices);
  return { vertices, marks: attachBuffer(gl, program, "mark", { parts: 3, type: gl.FLOAT }) };
}
