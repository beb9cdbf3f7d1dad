// What GET /monitor says, and what follows from two answers of it.

export interface Slot {
  id: number;
  busy: boolean;
  client?: string;
  n_prompt: number;
  n_prompt_done: number;
  n_decoded: number;
  max_tokens: number;
}

export interface Monitor {
  model: string;
  uptime_seconds: number;
  context: number;
  slots: Slot[];
  queue: number;
  state: { limit_bytes: number; page_bytes: number; snapshot_bytes: number; n_snapshots: number; n_evicted: number };
  disk: { limit_bytes: number; bytes: number; n_snapshots: number } | null;
  process: { rss_bytes: number };
  prefix: { restored_tokens: number; repeated_tokens: number; new_tokens: number; misses: Record<string, number> };
  totals: {
    requests: Record<string, number>; prompt_tokens: number; decoded_tokens: number; passes: number;
    busy_seconds: number; prefill_seconds: number; decode_seconds: number; preemptions: number;
  };
  experts: { layers: number[][] } | null;
}

export interface Rates {
  decode_tok_s: number;
  prompt_tok_s: number;
  busy: number;  // share of the time in which the engine computed
}

const kHistory = 120;  // samples that a sparkline shows

/** Rates from differences between polls; a server that was started anew begins a new history. */
export class RateHistory {
  readonly samples: Rates[] = [];
  private last: { at: number; monitor: Monitor } | null = null;

  /** `at`: when it was asked, in ms. */
  take(monitor: Monitor, at: number): Rates | null {
    const { last } = this;
    this.last = { at, monitor };
    if (!last || monitor.uptime_seconds < last.monitor.uptime_seconds) {
      this.samples.length = 0;
      return null;
    }
    const seconds = (at - last.at) / 1000;
    if (seconds <= 0) return this.samples.at(-1) ?? null;
    const per_second = (key: "decoded_tokens" | "prompt_tokens" | "busy_seconds") =>
      Math.max(0, monitor.totals[key] - last.monitor.totals[key]) / seconds;
    const rates = { decode_tok_s: per_second("decoded_tokens"), prompt_tok_s: per_second("prompt_tokens"),
      busy: Math.min(1, per_second("busy_seconds")) };
    this.samples.push(rates);
    if (this.samples.length > kHistory) this.samples.shift();
    return rates;
  }

  /** The view was hidden: what happened meanwhile is no rate of now. */
  pause(): void {
    this.last = null;
  }
}

/** Each expert's load as a multiple of its layer's mean; a layer without any load is all 0. */
export function expert_shares(layers: number[][]): number[][] {
  return layers.map((counts) => {
    const mean = counts.reduce((sum, n) => sum + n, 0) / Math.max(counts.length, 1);
    return counts.map((n) => (mean > 0 ? n / mean : 0));
  });
}
