// A small line of recent values.

import { s } from "./dom";

const kWidth = 240, kHeight = 44, kMargin = 3;

/** `n_places`: how many values fill the width; fewer stand at the right end. */
export function sparkline(values: number[], n_places: number, label: string): SVGSVGElement {
  const most = Math.max(...values, 1e-9);
  const x = (i: number) => kWidth - ((values.length - 1 - i) * kWidth) / Math.max(n_places - 1, 1);
  const y = (value: number) => kHeight - kMargin - (value / most) * (kHeight - 2 * kMargin);
  const points = values.map((value, i) => `${x(i).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const svg = s("svg", { class: "sparkline", viewBox: `0 0 ${kWidth} ${kHeight}`, preserveAspectRatio: "none", role: "img", "aria-label": label });
  if (values.length > 1)
    svg.append(s("polygon", { points: `${x(0).toFixed(1)},${kHeight} ${points} ${kWidth},${kHeight}` }),
      s("polyline", { points }));
  return svg;
}
