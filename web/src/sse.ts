// Server-sent events (HTML standard, section 9.2) as far as an API uses them: the data of each event.

export class SseReader {
  private rest = "";
  private data: string[] = [];

  /** Data of the events that `text` completes; a piece may end anywhere, even within a line. */
  push(text: string): string[] {
    const events: string[] = [];
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop()!;
    for (const ended of lines) {
      const line = ended.endsWith("\r") ? ended.slice(0, -1) : ended;
      if (line === "") {
        if (this.data.length > 0) events.push(this.data.join("\n"));
        this.data = [];
      } else if (line.startsWith("data:")) {
        this.data.push(line.slice(line[5] === " " ? 6 : 5));
      }  // comments (": keep-alive") and other fields mean nothing here
    }
    return events;
  }
}
