/* Tells the shop's loyalty service what happens on this page. No cookies; see docs/guides/website.md. */
(() => {
  "use strict";
  const tag = document.currentScript;
  const key = tag && tag.dataset.key;
  const nav = navigator;
  const no = !key || nav.doNotTrack === "1" || nav.globalPrivacyControl === true;
  const url = key && new URL("/t/" + encodeURIComponent(key), tag.src).href;
  const name = "loyalty-visitor";
  const make = () => {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  };
  const box = (kind) => {
    try { return window[kind]; } catch { return null; }
  };
  const get = (kind) => {
    try { return box(kind).getItem(name); } catch { return null; }
  };
  const put = (kind, value) => {
    try { value ? box(kind).setItem(name, value) : box(kind).removeItem(name); } catch { /* memory only */ }
  };
  // Without consent the id ends with the tab; with it, it stays in this browser.
  let id = get("localStorage") || get("sessionStorage") || make();
  if (!no && !get("localStorage")) put("sessionStorage", id);
  let waiting = [];
  let timer = 0;
  const send = (leaving) => {
    clearTimeout(timer);
    timer = 0;
    while (waiting.length) {
      const now = Date.now();
      const touches = waiting.splice(0, 20).map(({ at, ...rest }) => ({ ...rest, ago: Math.max(0, now - at) }));
      const body = JSON.stringify({ anonymous_id: id, touches });
      if (leaving && nav.sendBeacon && nav.sendBeacon(url, body)) continue;
      fetch(url, { method: "POST", body, keepalive: true, credentials: "omit", mode: "cors" }).catch(() => {});
    }
  };
  const tell = (kind, more) => {
    if (no) return;
    waiting.push({ kind, id: make(), at: Date.now(), ...more });
    timer = timer || setTimeout(send, 1000);
  };
  addEventListener("pagehide", () => send(true));
  document.addEventListener("visibilitychange", () => document.hidden && send(true));
  window.loyalty = {
    id: () => (no ? null : id),
    page: (data) => tell("page.viewed", { data: { path: location.pathname, ...data } }),
    product: (data) => tell("product.viewed", { data: data || {} }),
    basket: (data) => tell("basket.updated", { data: data || {} }),
    checkout: (data) => tell("checkout.started", { data: data || {} }),
    identify: (who, signature, source) =>
      tell("identify", { external_id: String(who), signature, source: source || "" }),
    consent: (given) => {
      if (no) return;
      put("localStorage", given ? id : "");
      if (!given) {
        send();
        id = make();
        put("sessionStorage", id);
      }
    },
  };
  if (!("manual" in (tag ? tag.dataset : {}))) window.loyalty.page();
})();
