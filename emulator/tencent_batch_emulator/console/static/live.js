// Renew the content once a second: fetch this page again and put its <main> in place, if it has changed.
"use strict";

const PAUSE = 1000;
const light = document.getElementById("live");
let shown = document.getElementById("content").innerHTML;

function isBusy() {
  const selection = document.getSelection();
  return document.hidden || (selection !== null && !selection.isCollapsed);
}

async function renew() {
  const response = await fetch(location.pathname, { cache: "no-store" });
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const content = document.getElementById("content");
  const fresh = page.getElementById("content");
  if (fresh === null || fresh.innerHTML === shown) {
    return;
  }
  shown = fresh.innerHTML;
  for (const details of content.querySelectorAll("details[id]")) {
    const next = fresh.querySelector("#" + CSS.escape(details.id));
    if (next !== null) {
      next.open = details.open;
    }
  }
  content.replaceChildren(...document.adoptNode(fresh).childNodes);
}

async function live() {
  if (!isBusy()) {
    try {
      await renew();
      light.textContent = "live";
      light.classList.remove("lost");
    } catch (error) {
      light.textContent = "the emulator does not answer";
      light.classList.add("lost");
    }
  }
  setTimeout(live, PAUSE);
}

setTimeout(live, PAUSE);
