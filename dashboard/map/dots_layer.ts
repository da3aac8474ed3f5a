// All dots of a county's assets, kept as one picture: while the camera rests, an update draws only the dots that changed,
// and a frame takes the picture as it is, and draws the marks over it. A machine without a graphics card needs most of a
// second for a hundred thousand circles (docs/decisions/0019-own-layers.md).

import type { CustomLayerInterface, CustomRenderMethodInput, Map as MapLibre } from "maplibre-gl";
import { type Dots, makeDotPen, type View } from "./dots.ts";
import type { Tokens } from "./icons.ts";
import { makeMarkPen, type MarkPen, type Marks } from "./marks.ts";
import { makePen, type Pen } from "./pen.ts";

const VERTEX = `#version 300 es
void main() {
  gl_Position = vec4(gl_VertexID == 1 ? 3.0 : -1.0, gl_VertexID == 2 ? 3.0 : -1.0, 0.0, 1.0);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
uniform mediump sampler2D picture;
out vec4 colour;
void main() {
  colour = texelFetch(picture, ivec2(gl_FragCoord.xy), 0);
  if (colour.a == 0.0) discard;
}`;

/** What has to stay the same for a picture to be true still. */
interface Frame {
  width: number;
  height: number;
  matrix: number[];
}

interface Drawing {
  dots: Pen;
  copy: Pen;
  marks: MarkPen;
  frame: WebGLFramebuffer;
  texture: WebGLTexture;
}

/** A layer of MapLibre's; of dots, and of marks, the last lie on top. */
export class DotsLayer implements CustomLayerInterface {
  readonly id = "asset-dots";
  readonly type = "custom";
  private map: MapLibre | null = null;
  private drawing: Drawing | null = null;
  private drawn: Frame | null = null;

  constructor(
    private dots: Dots[],
    private marks: Marks[],
    private tokens: Tokens,
  ) {}

  /** Called by MapLibre; once more when the layer is added again after a lost graphics context. */
  onAdd(map: MapLibre): void {
    this.map = map;
    [this.drawing, this.drawn] = [null, null];
    for (const one of [...this.dots, ...this.marks]) one.begin();
  }

  /** Brings the picture up to date; called by MapLibre before each frame. */
  prerender(gl: WebGL2RenderingContext, { defaultProjectionData }: CustomRenderMethodInput): void {
    if (!this.map || !this.isSeen) return;
    this.drawing ??= prepare(gl, this.tokens);
    const frame = { width: gl.drawingBufferWidth, height: gl.drawingBufferHeight, matrix: [...defaultProjectionData.mainMatrix] };
    const isNew = !isSame(this.drawn, frame) || this.dots.some((dots) => dots.isNew);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.drawing.frame);
    gl.viewport(0, 0, frame.width, frame.height);
    if (isNew) this.clear(gl, frame);
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    const view = this.look(frame.matrix);
    for (const dots of this.dots) dots.draw(gl, this.drawing.dots, view, isNew);
    this.drawn = frame;
  }

  /** Called by MapLibre for each frame. */
  render(gl: WebGL2RenderingContext, { defaultProjectionData }: CustomRenderMethodInput): void {
    if (!this.drawing || !this.isSeen) return;
    gl.useProgram(this.drawing.copy.program);
    gl.bindVertexArray(null);
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.drawing.texture);
    gl.uniform1i(this.drawing.copy.uniforms["picture"]!, 0);
    gl.drawArrays(gl.TRIANGLES, 0, 3);
    for (const marks of this.marks) marks.draw(gl, this.drawing.marks, this.look(defaultProjectionData.mainMatrix));
  }

  private get isSeen(): boolean {
    return this.dots.some((dots) => dots.isSeen);
  }

  private look(matrix: ArrayLike<number>): View {
    return { matrix, zoom: this.map!.getZoom(), ratio: this.map!.getPixelRatio() };
  }

  private clear(gl: WebGL2RenderingContext, { width, height }: Frame): void {
    if (this.drawn?.width !== width || this.drawn.height !== height) {
      gl.bindTexture(gl.TEXTURE_2D, this.drawing!.texture);
      gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, width, height, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
    }
    gl.disable(gl.SCISSOR_TEST);
    gl.colorMask(true, true, true, true);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
  }
}

function prepare(gl: WebGL2RenderingContext, tokens: Tokens): Drawing {
  const [frame, texture] = [gl.createFramebuffer(), gl.createTexture()];
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.NEAREST);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, 1, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, null);
  gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  return { dots: makeDotPen(gl), copy: makePen(gl, VERTEX, FRAGMENT), marks: makeMarkPen(gl, tokens), frame, texture };
}

function isSame(one: Frame | null, other: Frame): boolean {
  return one?.width === other.width && one.height === other.height && one.matrix.every((value, i) => value === other.matrix[i]);
}
