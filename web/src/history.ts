// Conversations in IndexedDB. They never leave the browser but by export. A browser that refuses the database (a private
// window, say), or has no room left, keeps them as long as the page is open, and the page says so. Several tabs may show
// one conversation: what is written is united with what is stored, and the other tabs are told.

import { type Conversation, new_id, read_conversation, type Turn, unite } from "./conversation";

const kStore = "conversations";

export interface Summary {
  id: string;
  title: string;
  updated: number;
}

export interface HistoryEvents {
  /** Another tab wrote or deleted a conversation. */
  changed(id: string, is_removed: boolean): void;
  /** Why what is on the screen is not kept; "": it is. */
  problem(text: string): void;
}

interface Message {
  id: string;
  is_removed: boolean;
  writing?: string;  // the turn that grows
}

export const kFresh = 4000;  // ms: a turn that another tab told of is still being written

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** A transaction that ends well; a full disk is told only here, when all its requests have succeeded. */
function committed(transaction: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => reject(transaction.error);
  });
}

function summary_of({ id, title, updated }: Conversation): Summary {
  return { id, title, updated };
}

export class History {
  events: HistoryEvents = { changed() {}, problem() {} };
  private database: Promise<IDBDatabase> | null = null;
  private readonly loaded = new Map<string, Conversation>();  // so that a running answer and the view share one
  private readonly stored = new Set<string>();                // seen in the database: one that is gone was deleted elsewhere
  private readonly removed = new Set<string>();               // an answer that still runs must not bring them back
  private summaries: Promise<Map<string, Summary>> | null = null;
  private readonly elsewhere = new Map<string, number>();     // turns that another tab writes: until when we believe it
  private readonly tabs = new BroadcastChannel("hadal");

  constructor() {
    this.tabs.addEventListener("message", (event: MessageEvent<Message>) => void this.take(event.data));
  }

  private open(): Promise<IDBDatabase> {
    this.database ??= (() => {
      const request = indexedDB.open("hadal", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(kStore, { keyPath: "id" });
      return settled(request);
    })();
    return this.database;
  }

  /** null: the browser refuses. */
  private async read<T>(work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
    try {
      return await settled(work((await this.open()).transaction(kStore, "readonly").objectStore(kStore)));
    } catch {
      return null;
    }
  }

  private async write(message: Message, work: (store: IDBObjectStore) => void): Promise<boolean> {
    try {
      const transaction = (await this.open()).transaction(kStore, "readwrite");
      work(transaction.objectStore(kStore));
      await committed(transaction);
    } catch (error) {
      this.events.problem((error as Error | null)?.name === "QuotaExceededError"
        ? "Not saved: the browser's storage is full." : "Not saved: the browser refuses to store.");
      return false;
    }
    this.events.problem("");
    this.tabs.postMessage(message);
    return true;
  }

  async get(id: string): Promise<Conversation | null> {
    const known = this.loaded.get(id);
    if (known) return known;
    const found = (await this.read((store) => store.get(id))) as Conversation | null | undefined;
    const other = this.loaded.get(id);  // loaded meanwhile
    if (other || !found || this.removed.has(id)) return other ?? null;
    this.loaded.set(id, found);
    this.stored.add(id);
    return found;
  }

  /** `writing`: the turn that still grows. */
  async put(conversation: Conversation, writing?: Turn): Promise<void> {
    const { id } = conversation;
    if (this.removed.has(id)) return;
    this.loaded.set(id, conversation);
    const is_kept = await this.write({ id, is_removed: false, writing: writing?.id }, (store) => {
      const request = store.get(id) as IDBRequest<Conversation | undefined>;
      request.onsuccess = () => {
        if (this.removed.has(id)) return;
        if (request.result) unite(conversation, request.result);
        else if (this.stored.has(id)) return this.forget(id);
        store.put(conversation);
      };
    });
    if (is_kept && !this.removed.has(id)) this.stored.add(id);
  }

  async remove(id: string): Promise<void> {
    this.removed.add(id);
    this.loaded.delete(id);
    await this.write({ id, is_removed: true }, (store) => store.delete(id));
  }

  is_written_elsewhere(turn: Turn): boolean {
    return turn.finish === undefined && (this.elsewhere.get(turn.id) ?? 0) > Date.now();
  }

  private forget(id: string): void {
    this.removed.add(id);
    this.loaded.delete(id);
    this.events.changed(id, true);
  }

  /** What another tab did. */
  private async take({ id, is_removed, writing }: Message): Promise<void> {
    if (this.removed.has(id)) return;
    if (writing) this.elsewhere.set(writing, Date.now() + kFresh);
    if (is_removed) return this.forget(id);
    const found = (await this.read((store) => store.get(id))) as Conversation | null | undefined;
    if (!found || this.removed.has(id)) return;
    const known = this.loaded.get(id);
    if (known) {
      unite(known, found);
      known.title = found.title;
      known.updated = Math.max(known.updated, found.updated);
    }
    (await this.all_summaries()).set(id, summary_of(found));
    this.events.changed(id, false);
  }

  /** What is stored, and what could not be. */
  private async all(): Promise<Conversation[]> {
    const stored = (await this.read((store) => store.getAll())) as Conversation[] | null;
    const all = new Map((stored ?? []).map((conversation) => [conversation.id, conversation]));
    for (const conversation of this.loaded.values()) all.set(conversation.id, conversation);
    return [...all.values()].filter(({ id }) => !this.removed.has(id));
  }

  private all_summaries(): Promise<Map<string, Summary>> {
    this.summaries ??= this.all().then((all) => new Map(all.map((conversation) => [conversation.id, summary_of(conversation)])));
    return this.summaries;
  }

  /** Newest first. */
  async list(): Promise<Summary[]> {
    const known = await this.all_summaries();
    for (const conversation of this.loaded.values()) known.set(conversation.id, summary_of(conversation));
    return [...known.values()].filter(({ id }) => !this.removed.has(id)).sort((a, b) => b.updated - a.updated);
  }

  async export_text(): Promise<string> {
    return JSON.stringify({ format: "hadal-conversations", version: 1, conversations: await this.all() }, null, 1);
  }

  /** Adds the conversations of an exported file beside those that are here; returns how many. */
  async import_text(text: string): Promise<number> {
    let file: { format?: unknown; conversations?: unknown };
    try {
      file = JSON.parse(text);
    } catch {
      throw new Error("This file is not JSON.");
    }
    if (file?.format !== "hadal-conversations" || !Array.isArray(file.conversations))
      throw new Error("This file was not exported by this page.");
    const read = file.conversations.map(read_conversation);
    if (read.includes(null)) throw new Error(`Conversation ${read.indexOf(null) + 1} of the file is damaged.`);
    for (const conversation of read as Conversation[]) {
      if (this.removed.has(conversation.id) || (await this.get(conversation.id))) conversation.id = new_id();
      await this.put(conversation);
    }
    return read.length;
  }
}
