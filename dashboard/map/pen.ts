// What our own layers of the map draw with: small WebGL programs, beside those of MapLibre.

/** A linked program and where its uniforms are. */
export interface Pen {
  program: WebGLProgram;
  uniforms: Record<string, WebGLUniformLocation>;
}

/** Makes a program of two shaders (GLSL ES 3.00); throws with the driver's words if that fails on a living context. */
export function makePen(gl: WebGL2RenderingContext, vertex: string, fragment: string): Pen {
  const program = gl.createProgram();
  for (const [kind, source] of [[gl.VERTEX_SHADER, vertex], [gl.FRAGMENT_SHADER, fragment]] as const) {
    const shader = gl.createShader(kind)!;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS) && !gl.isContextLost())
    throw new Error(`a layer of the map cannot be drawn: ${gl.getProgramInfoLog(program)}`);
  const count = Number(gl.getProgramParameter(program, gl.ACTIVE_UNIFORMS) ?? 0);
  const names = Array.from({ length: count }, (_, i) => gl.getActiveUniform(program, i)?.name ?? "");
  return { program, uniforms: Object.fromEntries(names.map((name) => [name, gl.getUniformLocation(program, name)!])) };
}

/** Returns a new buffer, of which what is drawn takes an input of a program: so many numbers of a type a time. */
export function attachBuffer(
  gl: WebGL2RenderingContext,
  program: WebGLProgram,
  input: string,
  { parts, type, normalized = false }: { parts: number; type: number; normalized?: boolean },
): WebGLBuffer {
  const buffer = gl.createBuffer();
  const at = gl.getAttribLocation(program, input);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.enableVertexAttribArray(at);
  gl.vertexAttribPointer(at, parts, type, normalized, 0, 0);
  return buffer;
}

/** Has pixels taken as they are: MapLibre leaves the context as it used it last. */
export function takePlainPixels(gl: WebGL2RenderingContext): void {
  gl.pixelStorei(gl.UNPACK_FLIP_Y_WEBGL, false);
  gl.pixelStorei(gl.UNPACK_PREMULTIPLY_ALPHA_WEBGL, false);
}

/** Returns pixels premultiplied, as MapLibre blends them. */
export function premultiply(pixels: Uint8ClampedArray): Uint8Array {
  return Uint8Array.from(pixels, (part, i) => (i % 4 === 3 ? part : (part * pixels[i - (i % 4) + 3]!) / 255));
}

/** Returns where a matrix (of columns) takes a point of the ground (Mercator coordinates) in clip space. */
export function project(matrix: ArrayLike<number>, x: number, y: number): [number, number, number, number] {
  const row = (i: number) => matrix[i]! * x + matrix[4 + i]! * y + matrix[12 + i]!;
  return [row(0), row(1), row(2), row(3)];
}
