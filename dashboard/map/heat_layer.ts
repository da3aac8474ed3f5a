// The density of cases on the map: the lattice's densities as a small texture, coloured and stretched over the ground.
// MapLibre's own heatmap draws each of the lattice's twenty thousand points in every frame.

import { type CustomLayerInterface, type CustomRenderMethodInput, type Map as MapLibre, MercatorCoordinate } from "maplibre-gl";
import type { HeatBins } from "./heat.ts";
import { brushOf } from "./icons.ts";
import { makePen, type Pen, premultiply, project, takePlainPixels } from "./pen.ts";

/** How heat looks: colours by density (points per km²), rising, the first of them at 0; `opacity` is that of a zoom. */
export interface HeatLook {
  stops: { density: number; colour: string }[];
  opacity(zoom: number): number;
}

/** A strip of two triangles over the lattice's box. */
const VERTEX = `#version 300 es
uniform vec4 corners[4];
out vec2 at;
void main() {
  gl_Position = corners[gl_VertexID];
  at = vec2(gl_VertexID % 2, gl_VertexID / 2);
}`;

const FRAGMENT = `#version 300 es
precision highp float;
uniform sampler2D densities;
uniform sampler2D ramp;
uniform float top;
uniform float opacity;
in vec2 at;
out vec4 colour;
void main() {
  colour = texture(ramp, vec2(texture(densities, at).r / top, 0.5)) * opacity;
}`;

const RAMP = 256;

interface Drawing {
  pen: Pen;
  densities: WebGLTexture;
  ramp: WebGLTexture;
}

/** A layer of MapLibre's. */
export class HeatLayer implements CustomLayerInterface {
  readonly type = "custom";
  private map: MapLibre | null = null;
  private drawing: Drawing | null = null;
  private look: HeatLook | null = null;
  private shown = true;
  private sent = { revision: -1, ramp: false };
  /** South west, south east, north west and north east, as the texture has them. */
  private corners: MercatorCoordinate[];

  constructor(
    readonly id: string,
    readonly bins: HeatBins,
  ) {
    const [west, south, east, north] = bins.box;
    const corners: [number, number][] = [[west, south], [east, south], [west, north], [east, north]];
    this.corners = corners.map((corner) => MercatorCoordinate.fromLngLat(corner));
  }

  dress(look: HeatLook): void {
    this.look = look;
    this.sent.ramp = false;
    this.map?.triggerRepaint();
  }

  show(shown: boolean): void {
    this.shown = shown;
    this.map?.triggerRepaint();
  }

  /** Draws what the bins have become. */
  refresh(): void {
    if (this.sent.revision !== this.bins.revision && this.shown) this.map?.triggerRepaint();
  }

  /** Called by MapLibre; once more when the layer is added again after a lost graphics context. */
  onAdd(map: MapLibre): void {
    this.map = map;
    this.drawing = null;
  }

  /** Called by MapLibre for each frame. */
  render(gl: WebGL2RenderingContext, { defaultProjectionData }: CustomRenderMethodInput): void {
    const opacity = this.map && this.look?.opacity(this.map.getZoom());
    if (!this.look || !opacity || !this.shown) return;
    if (!this.drawing) {
      this.drawing = prepare(gl);
      this.sent = { revision: -1, ramp: false };
    }
    const { pen, densities, ramp } = this.drawing;
    gl.useProgram(pen.program);
    gl.bindVertexArray(null);
    takePlainPixels(gl);
    gl.activeTexture(gl.TEXTURE1);
    gl.bindTexture(gl.TEXTURE_2D, ramp);
    if (!this.sent.ramp) gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA8, RAMP, 1, 0, gl.RGBA, gl.UNSIGNED_BYTE, mixRamp(this.look));
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, densities);
    if (this.sent.revision !== this.bins.revision) sendDensities(gl, this.bins);
    this.sent = { revision: this.bins.revision, ramp: true };
    gl.uniform1i(pen.uniforms["densities"]!, 0);
    gl.uniform1i(pen.uniforms["ramp"]!, 1);
    gl.uniform1f(pen.uniforms["top"]!, topOf(this.look));
    gl.uniform1f(pen.uniforms["opacity"]!, opacity);
    gl.uniform4fv(pen.uniforms["corners[0]"]!, this.corners.flatMap(({ x, y }) => project(defaultProjectionData.mainMatrix, x, y)));
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}

function prepare(gl: WebGL2RenderingContext): Drawing {
  return { pen: makePen(gl, VERTEX, FRAGMENT), densities: makeTexture(gl), ramp: makeTexture(gl) };
}

function makeTexture(gl: WebGL2RenderingContext): WebGLTexture {
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  for (const side of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) gl.texParameteri(gl.TEXTURE_2D, side, gl.LINEAR);
  for (const axis of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) gl.texParameteri(gl.TEXTURE_2D, axis, gl.CLAMP_TO_EDGE);
  return texture;
}

/** Half precision: every WebGL 2 interpolates it, and a density needs no more than three digits. */
function sendDensities(gl: WebGL2RenderingContext, { columns, rows, densities }: HeatBins): void {
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.R16F, columns, rows, 0, gl.RED, gl.FLOAT, new Float32Array(densities));
}

function topOf({ stops }: HeatLook): number {
  return stops[stops.length - 1]!.density;
}

/** Returns the colours from density 0 to the top as one row of pixels, premultiplied as MapLibre blends. */
function mixRamp(look: HeatLook): Uint8Array {
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [RAMP, 1];
  const brush = brushOf(canvas);
  const gradient = brush.createLinearGradient(0, 0, RAMP, 0);
  for (const { density, colour } of look.stops) gradient.addColorStop(density / topOf(look), colour);
  brush.fillStyle = gradient;
  brush.fillRect(0, 0, RAMP, 1);
  return premultiply(brush.getImageData(0, 0, RAMP, 1).data);
}
