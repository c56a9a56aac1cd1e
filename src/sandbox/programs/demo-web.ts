/** `fairlead.dev/demo-web:1`: a page that says where it runs, which is all that a demonstration needs. */
import { serve } from "./serve.ts";

const pod = process.env.POD_NAME ?? "unknown";
const greeting = process.env.GREETING ?? "It runs over there.";

await serve((request, response) => {
  console.log(`${request.method} ${request.url}`);
  if (request.url === "/healthz") {
    response.end("ok\n");
    return;
  }
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.setHeader("Cache-Control", "no-store");
  response.end(page());
});

function page(): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Fairlead demo</title>
<style>
  :root { color-scheme: light dark; font-family: system-ui, sans-serif; }
  body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: linear-gradient(160deg, #0b3954, #087e8b 60%, #bfd7ea); color: #fff; }
  main { padding: 2.5rem 3rem; border-radius: 1rem; background: rgb(0 0 0 / 30%); backdrop-filter: blur(6px); text-align: center; }
  h1 { margin: 0 0 .5rem; font-weight: 600; letter-spacing: .01em; }
  p { margin: .4rem 0; opacity: .9; }
  code { font-size: 1.05em; }
</style>
</head>
<body>
<main>
  <h1>${escapeHtml(greeting)}</h1>
  <p>This page comes from pod <code>${escapeHtml(pod)}</code></p>
  <p>and reached you through one link between two agents.</p>
</main>
</body>
</html>
`;
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (char) => `&#${char.charCodeAt(0)};`);
}
