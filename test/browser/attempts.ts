/**
 * What a page may try against another host, as the scripts that it would run. Each is the body of an async function in that page, with
 * `at`, the origin of the victim, and `path`, one there that says `secret` to whom it trusts; it returns what it could read, or null.
 */
export interface Attempt {
  readonly name: string;
  readonly script: string;
  /** Where it is seen to work: at a site without a door, or only at the page's own, since browsers stop it everywhere else. */
  readonly worksAt: "careless" | "evil";
  /** Whether browsers have it on secure origins only. */
  readonly secure?: true;
  /** Whether it asks as who follows a link does, which anybody may; a browser in clear does not say for whom. */
  readonly asLink?: true;
  /** Appended to the path, so that what answers is of the kind that is asked for. */
  readonly suffix?: string;
}

/** Resolves when the element has loaded, or has not; it is in the page by then. */
const put = (element: string): string => `
  const element = ${element};
  await new Promise((done) => {
    element.onload = element.onerror = element.onloadedmetadata = done;
    document.body.append(element);
  });`;

const frame = `Object.assign(document.createElement("iframe"), { src: at + path })`;

export const attempts: readonly Attempt[] = [
  {
    name: "reads by fetch, with the visitor's credentials",
    script: `return (await fetch(at + path, { credentials: "include" })).ok ? "read" : null;`,
    worksAt: "careless",
  },
  {
    name: "calls by fetch as a program does, in JSON",
    script: `
      const headers = { "content-type": "application/json" };
      return (await fetch(at + path, { method: "POST", credentials: "include", headers, body: "{}" })).ok ? "read" : null;`,
    worksAt: "careless",
  },
  {
    name: "calls by fetch with a token that it guesses",
    script: `
      const headers = { authorization: "Bearer flt_guessed" };
      return (await fetch(at + path, { method: "POST", headers, body: "{}" })).ok ? "read" : null;`,
    worksAt: "careless",
  },
  {
    name: "says by headers that it comes from somewhere else",
    script: `
      const headers = { "Sec-Fetch-Site": "same-origin", Origin: at, Host: new URL(at).host, Cookie: "a=1", "X-Forwarded-Host": new URL(at).host };
      return (await fetch(at + path, { method: "POST", credentials: "include", headers, body: "{}" })).ok ? "read" : null;`,
    worksAt: "careless",
  },
  {
    name: "writes by fetch without asking to read",
    script: `await fetch(at + path, { method: "POST", mode: "no-cors", credentials: "include", body: "{}" }); return null;`,
    worksAt: "careless",
  },
  {
    name: "writes by a fetch that outlives the page",
    script: `await fetch(at + path, { method: "POST", mode: "no-cors", credentials: "include", keepalive: true, body: "{}" }); return null;`,
    worksAt: "careless",
  },
  {
    name: "deletes by fetch",
    script: `return (await fetch(at + path, { method: "DELETE", credentials: "include" })).ok ? "read" : null;`,
    worksAt: "careless",
  },
  {
    name: "writes from a sandbox, whose origin is null",
    script: `
      ${put(`Object.assign(document.createElement("iframe"), {
        sandbox: "allow-scripts allow-forms",
        srcdoc: '<script>fetch("' + at + path + '", { method: "POST", mode: "no-cors", credentials: "include" }).finally(() => parent.postMessage("done", "*"))</' + 'script>',
      })`).replace(
        "element.onload = element.onerror = element.onloadedmetadata = done;",
        `addEventListener("message", done, { once: true });`,
      )}
      return null;`,
    worksAt: "careless",
  },
  {
    name: "writes by a form, into a frame",
    script: `
      const target = Object.assign(document.createElement("iframe"), { name: "into" });
      document.body.append(target);
      const form = Object.assign(document.createElement("form"), { method: "POST", enctype: "text/plain", target: "into", action: at + path });
      form.append(Object.assign(document.createElement("input"), { name: '{"name":"', value: 'there"}' }));
      document.body.append(form);
      const loaded = new Promise((done) => { target.onload = done; });
      form.submit();
      await loaded;
      return target.contentDocument?.body.innerText ?? null;`,
    worksAt: "careless",
  },
  {
    name: "shows it in a frame",
    script: `${put(frame)} return element.contentDocument?.body.innerText || null;`,
    worksAt: "careless",
    asLink: true,
  },
  {
    name: "shows it in an object",
    script: `${put(`Object.assign(document.createElement("object"), { data: at + path })`)} return element.contentDocument?.body.innerText || null;`,
    worksAt: "careless",
    asLink: true,
  },
  {
    name: "shows it as a picture",
    script: `${put(`Object.assign(new Image(), { src: at + path })`)} return element.naturalWidth > 0 ? "a picture" : null;`,
    worksAt: "careless",
    suffix: ".svg",
  },
  {
    name: "runs it as a script",
    script: `${put(`Object.assign(document.createElement("script"), { src: at + path })`)} return globalThis.got ?? null;`,
    worksAt: "careless",
    suffix: "/script.js",
  },
  {
    name: "runs it as a module, with credentials",
    script: `${put(`Object.assign(document.createElement("script"), { type: "module", crossOrigin: "use-credentials", src: at + path })`)} return globalThis.got ?? null;`,
    worksAt: "careless",
    suffix: "/module.js",
  },
  {
    name: "runs it in a worker that it imports it into",
    script: `
      const code = 'try { importScripts("' + at + path + '"); postMessage(globalThis.got) } catch { postMessage(null) }';
      const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
      const got = await new Promise((done) => { worker.onmessage = (event) => done(event.data); });
      worker.terminate();
      return got;`,
    worksAt: "careless",
    suffix: "/script.js",
  },
  {
    name: "applies it as a style sheet",
    script: `
      ${put(`Object.assign(document.createElement("link"), { rel: "stylesheet", href: at + path })`)}
      return getComputedStyle(document.body).getPropertyValue("--got") || null;`,
    worksAt: "careless",
    suffix: "/style.css",
  },
  {
    name: "has it loaded beforehand",
    script: `${put(`Object.assign(document.createElement("link"), { rel: "preload", as: "fetch", crossOrigin: "use-credentials", href: at + path })`)} return null;`,
    worksAt: "careless",
  },
  {
    name: "has it fetched for later",
    script: `${put(`Object.assign(document.createElement("link"), { rel: "prefetch", href: at + path })`)} return null;`,
    worksAt: "careless",
    asLink: true,
  },
  {
    name: "listens to its events",
    script: `
      const events = new EventSource(at + path, { withCredentials: true });
      const got = await new Promise((done) => { events.onmessage = (event) => done(event.data); events.onerror = () => done(null); });
      events.close();
      return got;`,
    worksAt: "careless",
    suffix: "/events",
  },
  {
    name: "opens a WebSocket",
    script: `
      const socket = new WebSocket(at.replace("http", "ws") + path, ["chat"]);
      const got = await new Promise((done) => { socket.onmessage = (event) => done(event.data); socket.onclose = () => done(null); });
      socket.close();
      return got;`,
    worksAt: "careless",
  },
  {
    name: "makes its script a service worker",
    script: `
      const registration = await navigator.serviceWorker.register(at + path, { scope: new URL("/", at).href });
      await registration.unregister();
      return "registered";`,
    worksAt: "evil",
    suffix: "/worker.js",
    secure: true,
  },
  {
    name: "makes its script a worker",
    script: `
      const worker = new Worker(at + path);
      const got = await new Promise((done) => { worker.onerror = () => done(null); worker.onmessage = (event) => done(event.data); });
      worker.terminate();
      return got;`,
    worksAt: "evil",
    suffix: "/worker.js",
  },
  {
    name: "asks for it from a service worker of its own, which stands between",
    script: `
      const registration = await navigator.serviceWorker.register("/between.js");
      const { active } = await navigator.serviceWorker.ready;
      const channel = new MessageChannel();
      const got = new Promise((done) => { channel.port1.onmessage = (event) => done(event.data); });
      active.postMessage(at + path, [channel.port2]);
      const answer = await got;
      await registration.unregister();
      return answer;`,
    worksAt: "careless",
    secure: true,
  },
];
