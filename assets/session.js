// Keeps a log-in in use while somebody is at the screen, and leads to the log-in page when it has ended.
(async () => {
  const LOOK_EVERY_MS = 10_000;
  const SAY_EVERY_MS = 60_000;
  const first = await fetch("/api/me").catch(() => null);
  if (!first?.ok || !(await first.json()).log_in) return;

  setInterval(async () => {
    const answer = await fetch("/api/me").catch(() => null);
    if (answer?.status !== 401) return;
    const here = encodeURIComponent(location.pathname + location.search);
    location.assign(`/login?next=${here}&lang=${document.documentElement.lang.startsWith("en") ? "en" : "zh"}`);
  }, LOOK_EVERY_MS);

  let saidAt = Date.now();
  const say = () => {
    if (Date.now() - saidAt < SAY_EVERY_MS) return;
    saidAt = Date.now();
    const token = document.cookie.match(/(?:^|; )csrf=([0-9a-f]+)/)?.[1] ?? "";
    fetch("/api/me/active", { method: "POST", headers: { "X-CSRF-Token": token } }).catch(() => {});
  };
  for (const kind of ["pointerdown", "keydown", "wheel", "touchstart"])
    document.addEventListener(kind, say, { capture: true, passive: true });
})();
