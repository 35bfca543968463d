// Talking with the server: answers, problems (RFC 9457), and streams of JSON lines.

export class Problem extends Error {}

async function checked(response) {
  if (response.ok) return response;
  let text = `The server answered ${response.status}.`;
  if ((response.headers.get("Content-Type") || "").includes("json")) {
    const problem = await response.json();
    text = problem.detail || problem.title || text;
  }
  throw new Problem(text);
}

export async function get(path) {
  return (await checked(await fetch(path))).json();
}

export async function post(path, file, signal) {
  const headers = { "Content-Type": file.type || "application/octet-stream" };
  return checked(await fetch(path, { method: "POST", body: file, headers, signal }));
}

// One parsed object for each line, as they come.
export async function* lines(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const parts = (rest + value).split("\n");
    rest = parts.pop();
    for (const part of parts) if (part) yield JSON.parse(part);
  }
  if (rest) yield JSON.parse(rest);
}
