// Talking with the server: keys, answers, problems (RFC 9457), and streams of JSON lines.

const STORED = "trackline.key"; // for this tab alone, until it is closed

// Of files: browsers guess their type by the name, the server knows it by the first bytes.
export const BYTES = "application/octet-stream";

export class Problem extends Error {
  constructor(message, status = null) {
    super(message);
    this.status = status;
  }
}

let askForKey = async () => null;
let asking = null; // all requests that are refused at once wait for one answer

// What is called with the server's words when it wants a key; answers one, or null.
export function onKeyWanted(ask) {
  askForKey = ask;
}

export function key() {
  return sessionStorage.getItem(STORED) || "";
}

function unreachable(error) {
  if (error.name === "AbortError") throw error;
  throw new Problem(`The server cannot be reached (${error.message}).`);
}

async function detailOf(response) {
  const type = response.headers.get("Content-Type") || "";
  if (!type.includes("json")) return `The server answered ${response.status}.`;
  const problem = await response.json();
  return problem.detail || problem.title || `The server answered ${response.status}.`;
}

// A request with the key, asked for and sent again where the server wants one.
export async function request(path, { headers = {}, ...init } = {}) {
  for (;;) {
    const sent = key();
    const withKey = sent ? { ...headers, "X-API-Key": sent } : headers;
    const response = await fetch(path, { ...init, headers: withKey }).catch(unreachable);
    if (response.ok) return response;
    const detail = await detailOf(response);
    if (response.status !== 401) throw new Problem(detail, response.status);
    if (key() === sent) {
      asking ??= askForKey(detail).finally(() => {
        asking = null;
      });
      const given = await asking;
      if (!given) throw new Problem(detail, 401);
      sessionStorage.setItem(STORED, given);
    }
  }
}

export async function get(path) {
  return (await request(path)).json();
}

export function post(path, file, signal) {
  const headers = { "Content-Type": BYTES };
  return request(path, { method: "POST", body: file, headers, signal });
}

// A connection that breaks is the end of what came.
function broken(error) {
  if (error.name === "AbortError") throw error;
  return { done: true };
}

// One parsed object for each line, as they come. What follows the last line break is half a line.
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read().catch(broken);
    if (done) return;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
}

// What went wrong, in the server's words where there are any.
export function wordsFor(error) {
  if (error instanceof Problem) return error.message;
  throw error;
}
