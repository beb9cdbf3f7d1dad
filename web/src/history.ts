// Conversations in IndexedDB. They never leave the browser but by export. A browser that refuses the database (a private
// window, say) keeps them as long as the page is open.

import { type Conversation, new_id, read_conversation } from "./conversation";

const kStore = "conversations";

export interface Summary {
  id: string;
  title: string;
  updated: number;
}

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

export class History {
  private database: Promise<IDBDatabase> | null = null;
  private readonly loaded = new Map<string, Conversation>();  // so that a running answer and the view share one
  private readonly removed = new Set<string>();               // an answer that still runs must not bring them back

  private open(): Promise<IDBDatabase> {
    this.database ??= (() => {
      const request = indexedDB.open("hadal", 1);
      request.onupgradeneeded = () => request.result.createObjectStore(kStore, { keyPath: "id" });
      return settled(request);
    })();
    return this.database;
  }

  /** Does `work` with the stored conversations; null: the browser refuses. */
  private async stored<T>(mode: IDBTransactionMode, work: (store: IDBObjectStore) => IDBRequest<T>): Promise<T | null> {
    try {
      return await settled(work((await this.open()).transaction(kStore, mode).objectStore(kStore)));
    } catch {
      return null;
    }
  }

  async get(id: string): Promise<Conversation | null> {
    const known = this.loaded.get(id);
    if (known) return known;
    const found = (await this.stored("readonly", (store) => store.get(id))) as Conversation | null | undefined;
    const other = this.loaded.get(id);  // loaded meanwhile
    if (other || !found) return other ?? null;
    this.loaded.set(id, found);
    return found;
  }

  async put(conversation: Conversation): Promise<void> {
    if (this.removed.has(conversation.id)) return;
    this.loaded.set(conversation.id, conversation);
    await this.stored("readwrite", (store) => store.put(conversation));
  }

  async remove(id: string): Promise<void> {
    this.removed.add(id);
    this.loaded.delete(id);
    await this.stored("readwrite", (store) => store.delete(id));
  }

  private async all(): Promise<Conversation[]> {
    const stored = (await this.stored("readonly", (store) => store.getAll())) as Conversation[] | null;
    return stored ?? [...this.loaded.values()];
  }

  /** Newest first. */
  async list(): Promise<Summary[]> {
    const all = (await this.all()).map(({ id, title, updated }) => ({ id, title, updated }));
    return all.sort((a, b) => b.updated - a.updated);
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
