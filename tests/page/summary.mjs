// The last line of the run, as tools/ reads it: N passed, M failed, K skipped.
export default class Summary {
  results = new Map();  // by test; the last try counts

  onTestEnd(test, result) {
    this.results.set(test.id, result.status === "skipped" ? "skipped" : result.status === test.expectedStatus ? "passed" : "failed");
  }

  onExit() {
    const count = (status) => [...this.results.values()].filter((s) => s === status).length;
    console.log(`${count("passed")} passed, ${count("failed")} failed, ${count("skipped")} skipped`);
  }

  printsToStdio() {
    return true;
  }
}
