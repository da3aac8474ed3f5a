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

/** Returns where a matrix (of columns) takes a point of the ground (Mercator coordinates) in clip space. */
export function project(matrix: ArrayLike<number>, x: number, y: number): [number, number, number, number] {
  const row = (i: number) => matrix[i]! * x + matrix[4 + i]! * y + matrix[12 + i]!;
  return [row(0), row(1), row(2), row(3)];
}
