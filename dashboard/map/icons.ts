// Shapes drawn at run time: marks of assets, severities and the hatch of "no data". No image is fetched.

export type Pixels = { width: number; height: number; data: Uint8ClampedArray };
type Brush = CanvasRenderingContext2D;

/** Icons are drawn at twice their size, so that they stay sharp on a 4K wall. */
export const ICON_RATIO = 2;
/** The side of a mark's picture, in pixels. */
export const MARK_SIZE = 18 * ICON_RATIO;

/** Returns the shape of a mark, by the name that the layer's spec gives it, as pixels. */
export function drawMark(name: string, tokens: Tokens): Pixels {
  return paint((brush) => (MARKS[name] ?? MARKS["other"]!)(brush, tokens));
}

/** Returns the same shape as a data URL, for legends in HTML. */
export function showMark(name: string, tokens: Tokens): string {
  const canvas = makeCanvas(MARK_SIZE);
  (MARKS[name] ?? MARKS["other"]!)(brushOf(canvas), tokens);
  return canvas.toDataURL();
}

/** Returns the tile of a hatch of diagonal lines, `step` pixels apart and `width` wide. */
export function drawHatch(colour: string, step = 8, width = 1): Pixels {
  const size = step * ICON_RATIO;
  return paint((brush) => {
    brush.strokeStyle = colour;
    brush.lineWidth = width * ICON_RATIO;
    for (const offset of [-size, 0, size]) {
      brush.beginPath();
      brush.moveTo(offset, size);
      brush.lineTo(offset + size, 0);
      brush.stroke();
    }
  }, size);
}

/** Returns an invisible icon of a severe case's size: it keeps names away from the case's marker. */
export function drawRoom(): Pixels {
  return paint(() => undefined, 26 * ICON_RATIO);
}

/** The colours of the screen's theme, read from the tokens' CSS; the defaults are those of the dark theme. */
export type Tokens = ReturnType<typeof readTokens>;

/** Reads the colours that apply to an element. */
export function readTokens(element: Element) {
  const style = getComputedStyle(element);
  const read = (name: string, otherwise: string) => style.getPropertyValue(name).trim() || otherwise;
  return {
    ground: read("--ground", "#0B1220"),
    raised: read("--raised", "#111B2E"),
    line: read("--line", "#22304A"),
    high: read("--text-high", "#E6EDF7"),
    mid: read("--text-mid", "#9FB0C8"),
    low: read("--text-low", "#7A8BA6"),
    accent: read("--accent", "#4CC9F0"),
    severities: [
      read("--severity-1", "#FF5A5F"),
      read("--severity-2", "#FF9F1C"),
      read("--severity-3", "#FFD166"),
      read("--severity-4", "#5AA9E6"),
    ] as const,
  };
}

const full = (brush: Brush, tokens: Tokens) => {
  const edge = MARK_SIZE * 0.2;
  outlined(brush, tokens.ground, tokens.severities[1], () => brush.rect(edge, edge, MARK_SIZE - 2 * edge, MARK_SIZE - 2 * edge));
};

const fault = (brush: Brush, tokens: Tokens) => {
  const [near, far] = [MARK_SIZE * 0.25, MARK_SIZE * 0.75];
  const cross = () => {
    brush.beginPath();
    brush.moveTo(near, near);
    brush.lineTo(far, far);
    brush.moveTo(near, far);
    brush.lineTo(far, near);
    brush.stroke();
  };
  brush.lineCap = "round";
  brush.strokeStyle = tokens.ground;
  brush.lineWidth = MARK_SIZE * 0.3;
  cross();
  brush.strokeStyle = tokens.severities[2];
  brush.lineWidth = MARK_SIZE * 0.13;
  cross();
};

/** The quietest of them: on the first morning most sensors have not spoken yet. */
const silent = (brush: Brush, tokens: Tokens) => {
  brush.beginPath();
  brush.arc(MARK_SIZE / 2, MARK_SIZE / 2, MARK_SIZE * 0.17, 0, 2 * Math.PI);
  brush.fillStyle = tokens.ground;
  brush.fill();
  brush.strokeStyle = tokens.low;
  brush.lineWidth = MARK_SIZE * 0.07;
  brush.stroke();
};

/** The ring of a silent one with a stroke through it: its broker has said that it is gone. */
const offline = (brush: Brush, tokens: Tokens) => {
  silent(brush, tokens);
  brush.beginPath();
  brush.moveTo(MARK_SIZE * 0.26, MARK_SIZE * 0.74);
  brush.lineTo(MARK_SIZE * 0.74, MARK_SIZE * 0.26);
  brush.lineCap = "round";
  brush.strokeStyle = tokens.mid;
  brush.lineWidth = MARK_SIZE * 0.09;
  brush.stroke();
};

/** A drop standing on its round end: a flame. */
const fire = (brush: Brush, tokens: Tokens) => {
  const [middle, foot] = [MARK_SIZE / 2, MARK_SIZE * 0.6];
  outlined(brush, tokens.ground, tokens.severities[0], () => {
    brush.moveTo(middle, MARK_SIZE * 0.06);
    brush.arc(middle, foot, MARK_SIZE * 0.28, -Math.PI / 5, Math.PI * 1.2);
    brush.closePath();
  });
};

const other = (brush: Brush, tokens: Tokens) => {
  outlined(brush, tokens.ground, tokens.high, () => {
    const [low, middle, high] = [MARK_SIZE * 0.18, MARK_SIZE / 2, MARK_SIZE * 0.82];
    brush.moveTo(middle, low);
    brush.lineTo(high, middle);
    brush.lineTo(middle, high);
    brush.lineTo(low, middle);
    brush.closePath();
  });
};

/** Names as the layers' specs give them; any other name is a diamond. */
const MARKS: Record<string, (brush: Brush, tokens: Tokens) => void> = { full, fault, silent, offline, fire, other };

function outlined(brush: Brush, edge: string, inside: string, trace: () => void): void {
  brush.beginPath();
  trace();
  brush.lineWidth = MARK_SIZE * 0.14;
  brush.lineJoin = "round";
  brush.strokeStyle = edge;
  brush.stroke();
  brush.fillStyle = inside;
  brush.fill();
}

function paint(draw: (brush: Brush) => void, size = MARK_SIZE): Pixels {
  const brush = brushOf(makeCanvas(size));
  draw(brush);
  return brush.getImageData(0, 0, size, size);
}

/** Every canvas here is read back at once: kept out of the graphics process, that takes no time. */
export function brushOf(canvas: HTMLCanvasElement): Brush {
  return canvas.getContext("2d", { willReadFrequently: true })!;
}

function makeCanvas(size: number): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = size;
  return canvas;
}
