// Expert load: a row for each layer, a column for each expert, the colour is the load beside the layer's mean.

import { h } from "./dom";
import { expert_shares } from "./monitor";

const kHottest = 3;  // times the mean: from here on the colour stays
const kLeastPitch = 4, kTallest = 18;  // pixels
const kStops = 4;    // colours: of 0, 1, 2, 3 times the mean

type Rgb = number[];

function rgb_of(el: Element): Rgb {
  return (getComputedStyle(el).backgroundColor.match(/[\d.]+/g) ?? ["0", "0", "0"]).slice(0, 3).map(Number);
}

function colour(share: number, scale: Rgb[]): string {
  const place = Math.min(share, kHottest), low = Math.min(Math.floor(place), kStops - 2);
  const mixed = scale[low]!.map((c, i) => Math.round(c + (place - low) * (scale[low + 1]![i]! - c)));
  return `rgb(${mixed.join(",")})`;
}

export class HeatMap {
  private readonly canvas = h("canvas", { role: "img", tabindex: "0" });
  private readonly told = h("p", { class: "faint", role: "status" });
  private readonly legend = h("canvas", { width: "120", height: "10", "aria-hidden": "true" });
  private readonly stops = Array.from({ length: kStops }, (_, i) => h("i", { class: `heat-${i}` }));  // colours as the style sheet says
  readonly el = h("div", { class: "heat-map" }, h("div", { class: "heat-scroll" }, this.canvas), h("div", { class: "legend" },
    h("span", {}, "idle"), this.legend, h("span", {}, `${kHottest} × the layer's mean`), this.stops), this.told);
  private layers: number[][] = [];
  private shares: number[][] = [];
  private pitch = { x: 1, y: 1 };  // pixels from cell to cell
  private pointed: { layer: number; expert: number } | null = null;  // by mouse, finger or arrow keys

  constructor() {
    for (const kind of ["pointermove", "pointerdown"] as const) this.canvas.addEventListener(kind, (event) =>
      this.point(Math.floor(event.offsetY / this.pitch.y), Math.floor(event.offsetX / this.pitch.x)));
    this.canvas.addEventListener("pointerleave", (event) => { if (event.pointerType === "mouse") this.point(-1, -1); });
    this.canvas.addEventListener("blur", () => this.point(-1, -1));
    this.canvas.addEventListener("keydown", (event) => this.key(event));
  }

  show(layers: number[][]): void {
    this.layers = layers;
    this.shares = expert_shares(layers);
    const n_experts = Math.max(1, ...layers.map((layer) => layer.length));
    const room = this.el.clientWidth || 640;
    const x = Math.min(Math.max(Math.floor(room / n_experts), kLeastPitch), 40), y = Math.min(x, kTallest);
    this.pitch = { x, y };
    const gap = x > 7 ? 1 : 0, ratio = devicePixelRatio || 1;
    const width = n_experts * x, height = layers.length * y;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    this.canvas.style.width = `${width}px`;
    this.canvas.style.height = `${height}px`;
    const scale = this.stops.map(rgb_of), context = this.canvas.getContext("2d")!;
    context.scale(ratio, ratio);
    this.shares.forEach((row, layer) => row.forEach((share, expert) => {
      context.fillStyle = colour(share, scale);
      context.fillRect(expert * x, layer * y, x - gap, y - gap);
    }));
    const legend = this.legend.getContext("2d")!;
    for (let i = 0; i < 120; i += 1) {
      legend.fillStyle = colour((kHottest * i) / 119, scale);
      legend.fillRect(i, 0, 1, 10);
    }
    this.tell();
  }

  private tell(): void {
    const { pointed } = this;
    const share = pointed && this.shares[pointed.layer]?.[pointed.expert];
    if (pointed && typeof share === "number") {
      const { layer, expert } = pointed;
      this.told.textContent = `Layer ${layer}, expert ${expert}: ${this.layers[layer]![expert]} tokens, ${share.toFixed(2)} × the mean.`;
      return;
    }
    let hottest = { layer: 0, expert: 0, share: 0 }, n_idle = 0, n = 0;
    this.shares.forEach((row, layer) => row.forEach((share, expert) => {
      n += 1;
      if (share === 0) n_idle += 1;
      if (share > hottest.share) hottest = { layer, expert, share };
    }));
    this.told.textContent = hottest.share === 0 ? "No token yet." :
      `Most used: layer ${hottest.layer}, expert ${hottest.expert}, ${hottest.share.toFixed(2)} × the mean. Never used: ${n_idle} of ${n}.`;
    this.canvas.setAttribute("aria-label", `Expert load. ${this.told.textContent}`);
  }

  /** A place beside the cells points at none. */
  private point(layer: number, expert: number): void {
    this.pointed = this.shares[layer]?.[expert] === undefined ? null : { layer, expert };
    this.tell();
  }

  private key(event: KeyboardEvent): void {
    const step = ({ ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] } as Record<string, number[]>)[event.key];
    if (!step) return;
    event.preventDefault();
    const { pointed } = this;
    if (!pointed) return this.point(0, 0);
    const layer = pointed.layer + step[0]!, expert = pointed.expert + step[1]!;
    if (this.shares[layer]?.[expert] !== undefined) this.point(layer, expert);
  }
}
