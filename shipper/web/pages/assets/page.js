"use strict";
/* Enhancements: live updates, live tail, copy buttons. The pages work without them. */
(() => {
  const EVERY_MS = 2000;
  const SLOWEST_MS = 15000;
  const MOST_ROWS = 500;
  const REMEMBERED = 4000;
  const TEN_MINUTES_S = 600;

  const announce = (words) => { document.getElementById("said").textContent = words; };

  /* Local times as tooltips. */
  const local = (root) => {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const at = new Date(time.dateTime);
      if (!Number.isNaN(at.getTime())) time.title = at.toLocaleString(undefined, { timeZoneName: "short" });
    }
  };

  /* --- copying --- */
  const select = (node) => {
    const range = document.createRange();
    range.selectNodeContents(node);
    const chosen = window.getSelection();
    chosen.removeAllRanges();
    chosen.addRange(range);
  };

  const copied = async (text, node) => {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      select(node); // without TLS there is no clipboard API: the selection can be copied manually
      return document.execCommand("copy");
    }
  };

  const button = (name, node, text) => {
    const made = document.createElement("button");
    made.type = "button";
    made.className = "copy";
    made.textContent = name;
    made.addEventListener("click", async () => {
      const done = await copied(text(), node);
      made.textContent = done ? "Copied" : "Selected";
      announce(done ? "Copied" : "The text is selected; copy it manually");
      setTimeout(() => { made.textContent = name; }, 1500);
    });
    node.after(" ", made);
  };

  const offerCopies = (root) => {
    for (const node of root.querySelectorAll("[data-copy]")) button("Copy", node, () => node.textContent);
    for (const node of root.querySelectorAll("[data-copy-link]")) button("Copy", node, () => node.href);
  };

  /* --- polling while the page is visible --- */
  const poll = (update) => {
    const hold = document.getElementById("hold");
    let held = false;
    let wait = EVERY_MS;
    let timer = 0;
    let unreachable = false;

    const later = () => {
      clearTimeout(timer);
      if (!held && !document.hidden) timer = setTimeout(turn, wait);
    };
    const turn = async () => {
      try {
        await update();
        if (unreachable) announce("The agent responds again");
        unreachable = false;
        wait = EVERY_MS;
        document.body.classList.remove("lost");
      } catch (error) {
        if (!unreachable) announce("The agent does not respond; retrying");
        unreachable = true;
        wait = Math.min(wait * 2, SLOWEST_MS);
        document.getElementById("asof").textContent = `no response (${error.message}), retrying`;
      }
      later();
    };
    hold.hidden = false;
    hold.addEventListener("click", () => {
      held = !held;
      hold.setAttribute("aria-pressed", String(held));
      hold.textContent = held ? "Resume" : "Pause";
      announce(held ? "Paused" : "Following");
      if (held) clearTimeout(timer); else turn();
    });
    document.addEventListener("visibilitychange", () => { if (document.hidden) clearTimeout(timer); else if (!held) turn(); });
    later();
  };

  const fetched = async (address) => {
    const response = await fetch(address, { signal: AbortSignal.timeout(12000), headers: { Accept: "text/html" } });
    if (response.status === 401) window.location.reload();
    if (!response.ok) throw new Error(response.status === 503 ? "busy" : `status ${response.status}`);
    const parts = document.createElement("template");
    parts.innerHTML = await response.text(); // our own page, escaped by the server; the content policy forbids scripts in it
    return parts.content;
  };

  const asOf = (iso) => {
    const time = document.createElement("time");
    time.dateTime = iso;
    time.textContent = iso.slice(11, 19);
    document.getElementById("asof").replaceChildren("as of ", time, " UTC");
  };

  /* --- the overview --- */
  const readouts = (root) => {
    for (const chart of root.querySelectorAll("svg[data-values]")) {
      const values = chart.dataset.values.split(" ").filter(Boolean).map(Number);
      const place = chart.parentElement.querySelector(".readout");
      const initial = place.textContent;
      const room = Number(chart.dataset.room);
      if (values.length < 2) continue;
      const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
      line.setAttribute("class", "at");
      chart.addEventListener("pointermove", (event) => {
        const box = chart.getBoundingClientRect();
        const back = Math.min(values.length - 1, Math.max(0, Math.round((1 - (event.clientX - box.left) / box.width) * (room - 1))));
        const seconds = Math.round(back * TEN_MINUTES_S / room);
        const ago = seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
        place.textContent = `${ago} ago: ${values[values.length - 1 - back].toLocaleString("en", { maximumSignificantDigits: 4 })}`;
        const x = 300 - back * 300 / (room - 1);
        line.setAttribute("d", `M${x} 0V48`);
        chart.append(line);
      });
      chart.addEventListener("pointerleave", () => { place.textContent = initial; line.remove(); });
    }
  };

  const busyIn = (part) => part.contains(document.activeElement) || part.matches(":hover")
    || (!window.getSelection().isCollapsed && part.contains(window.getSelection().anchorNode));

  const overview = (live) => {
    readouts(live);
    poll(async () => {
      const fresh = await fetched(live.dataset.live);
      const parts = new Map([...fresh.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
      const shown = [...live.querySelectorAll("[data-part]")];
      if (shown.length !== parts.size) { // a part was added or removed
        live.replaceChildren(fresh);
        readouts(live);
        offerCopies(live);
      } else {
        for (const part of shown) {
          const next = parts.get(part.dataset.part);
          if (!next) { window.location.reload(); return; }
          if (busyIn(part) || part.dataset.part === "empty") continue; // in use
          if (part.dataset.part === "state" && part.className !== next.className) announce(next.querySelector(".word").textContent);
          const open = [...part.querySelectorAll("details")].map((one) => one.open);
          next.querySelectorAll("details").forEach((one, place) => { one.open = open[place] || false; });
          part.replaceWith(next);
          readouts(next);
        }
      }
      asOf(new Date().toISOString());
    });
  };

  /* --- the tail --- */
  const tail = (table) => {
    const seen = new Set();
    const body = table.tBodies[0];
    const known = (row) => {
      const key = row.dataset.key;
      if (seen.has(key)) return true;
      seen.add(key);
      return false;
    };
    for (const row of body.rows) known(row);
    let newest = Number(body.dataset.newest);
    poll(async () => {
      const address = new URL(table.dataset.tail, window.location.href);
      address.searchParams.set("after", String(newest));
      const fresh = await fetched(address);
      const rows = fresh.querySelector("tbody");
      newest = Math.max(newest, Number(rows.dataset.newest));
      const added = [...rows.rows].filter((row) => !known(row));
      for (const row of added) { row.classList.add("fresh"); local(row); }
      body.prepend(...added);
      while (body.rows.length > MOST_ROWS) body.rows[body.rows.length - 1].remove();
      if (seen.size > REMEMBERED) for (const key of [...seen].slice(0, seen.size - REMEMBERED)) seen.delete(key);
      if (added.length) document.getElementById("waiting").hidden = true;
      asOf(rows.dataset.now);
    });
  };

  local(document);
  offerCopies(document);
  const live = document.querySelector("[data-live]");
  if (live) overview(live);
  const following = document.querySelector("[data-tail]");
  if (following) tail(following);
})();
