// Alarms on the map: a flag at each one's place; those that stand close together are one flag, with the worst severity
// and how many they are. Filled: nobody has acknowledged it yet. All is drawn by MapLibre, so no element comes or goes.

import type { ExpressionSpecification, GeoJSONSourceSpecification, SymbolLayerSpecification } from "maplibre-gl";
import { brushOf, ICON_RATIO, type Pixels, type Tokens } from "./icons.ts";

/** Beyond this zoom nothing is clustered: a few metres are then a finger's breadth. */
export const CLUSTERED_TO_ZOOM = 17;
/** On a screen 1080 px high: how near two flags may stand. */
const RADIUS = 44;
/** look.md: nothing on a wall is smaller than 1/60 of its height. */
const TEXT = 18;
const DIGIT = 10.5;
const BOX = 27;
/** Long enough that a severe case's own marker at the place stays in sight. */
const TAIL = 15;
/** Where a flag's number begins. */
const TEXT_LEFT = 26;
const MOST_DIGITS = 5;

/** An image of a flag: what it ranks, and for how many digits it has room. */
interface Flag {
  name: string;
  rank: number;
  digits: number;
}

/** Returns one number for severity and state, less is worse: the worst of a cluster is its least. */
export function rankOf(severity: number, acked: number): number {
  return severity * 2 + acked;
}

/** Every image that a flag may need. */
export const FLAGS: Flag[] = [1, 2, 3, 4]
  .flatMap((severity) => [rankOf(severity, 0), rankOf(severity, 1)])
  .flatMap((rank) => Array.from({ length: MOST_DIGITS + 1 }, (_, digits) => ({ name: `flag-${rank}-${digits}`, rank, digits })));

/** Returns how a source clusters: `rank` is the worst of a cluster as it is a single one's. */
export function clusterBy(scale: number) {
  return {
    cluster: true,
    clusterRadius: RADIUS * scale,
    clusterMaxZoom: CLUSTERED_TO_ZOOM,
    clusterProperties: { rank: ["min", ["get", "rank"]] },
  } satisfies Partial<GeoJSONSourceSpecification>;
}

/** Returns how the flags look on the map; each stands above its place, which its tip touches. */
export function lookOfFlags(scale: number, tokens: Tokens, font: string): Pick<SymbolLayerSpecification, "layout" | "paint"> {
  const count: ExpressionSpecification = ["to-string", ["coalesce", ["get", "point_count"], ""]];
  const digits: ExpressionSpecification = ["length", count];
  const offsets = Array.from({ length: MOST_DIGITS }, (_, i) => [i + 1, ["literal", [(TEXT_LEFT - widthOf(i + 1) / 2) / TEXT, -(TAIL + BOX / 2) / TEXT]]]);
  return {
    layout: {
      "icon-image": ["concat", "flag-", ["to-string", ["get", "rank"]], "-", ["to-string", digits]],
      "icon-size": scale,
      "icon-anchor": "bottom",
      "icon-allow-overlap": true,
      "text-field": count,
      "text-font": [font],
      "text-size": TEXT * scale,
      "text-anchor": "left",
      "text-offset": ["match", digits, ...offsets.flat(), ["literal", [0, 0]]] as unknown as ExpressionSpecification,
      "text-allow-overlap": true,
      "symbol-sort-key": ["-", 0, ["get", "rank"]], // the worst lies on top
    },
    paint: { "text-color": ["case", ["==", ["%", ["get", "rank"], 2], 1], tokens.high, tokens.ground] },
  };
}

function widthOf(digits: number): number {
  return digits ? TEXT_LEFT + digits * DIGIT + 7 : BOX;
}

/** Draws a flag: filled in its severity's colour with a dark shape, or hollow with a coloured one once acknowledged. */
export function drawFlag({ rank, digits }: Flag, tokens: Tokens): Pixels {
  const [severity, acked] = [Math.floor(rank / 2), rank % 2 === 1];
  const colour = tokens.severities[severity - 1]!;
  const [width, height] = [Math.ceil(widthOf(digits)), BOX + TAIL];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [width * ICON_RATIO, height * ICON_RATIO];
  const brush = brushOf(canvas);
  brush.scale(ICON_RATIO, ICON_RATIO);
  brush.lineJoin = "round";
  const middle = width / 2;
  brush.beginPath();
  brush.roundRect(1.5, 1.5, width - 3, BOX - 3, 4);
  brush.moveTo(middle - 6, BOX - 1.5);
  brush.lineTo(middle, height - 1);
  brush.lineTo(middle + 6, BOX - 1.5);
  brush.lineWidth = acked ? 3.5 : 3;
  brush.strokeStyle = acked ? colour : tokens.ground;
  brush.stroke();
  brush.fillStyle = acked ? tokens.ground : colour;
  brush.fill();
  brush.fillStyle = acked ? colour : tokens.ground;
  brush.translate(BOX / 2, BOX / 2);
  traceShape(brush, severity);
  brush.fill();
  return brush.getImageData(0, 0, canvas.width, canvas.height);
}

/** look.md: I is a triangle, II a diamond, III a disc, IV a square; around the origin. */
function traceShape(brush: CanvasRenderingContext2D, severity: number): void {
  const corners: Record<number, [number, number][]> = {
    1: [[0, -7], [7.5, 6], [-7.5, 6]],
    2: [[0, -8], [8, 0], [0, 8], [-8, 0]],
    4: [[-6, -6], [6, -6], [6, 6], [-6, 6]],
  };
  brush.beginPath();
  for (const [x, y] of corners[severity] ?? []) brush.lineTo(x, y);
  if (!corners[severity]) brush.arc(0, 0, 6.5, 0, 2 * Math.PI);
  brush.closePath();
}
