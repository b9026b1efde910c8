// SPDX-License-Identifier: Apache-2.0
//
// The page "Batch" in Airflow's UI. Airflow imports this module as it is and takes the component from
// globalThis.AirflowPlugin; React and its router are Airflow's own. Elements are plain, because Airflow 3.1 shows
// plugins no component library; their colors are the variables of Airflow's theme, so they follow light and dark.
// Whatever comes from the server is put into text nodes and attributes only, never into HTML.

const { createElement: h, Fragment, useEffect, useState } = globalThis.React;
const { Link } = globalThis.ReactRouterDOM;

const RENEW_MS = 10_000;
const ROWS = 25;

const STYLE = `
.tb { --line: var(--chakra-colors-border, #d4d4d8); --dim: var(--chakra-colors-fg-muted, #52525b);
  --link: var(--chakra-colors-fg-info, #1d4ed8); --soft: rgba(120, 120, 130, 0.08);
  --ok: #15803d; --warning: #a16207; --broken: #b91c1c; --calm: #52525b;
  padding: 1rem 1.25rem 3rem; font-size: 0.875rem; line-height: 1.45; height: 100%; overflow: auto; }
.dark .tb { --ok: #4ade80; --warning: #facc15; --broken: #f87171; --calm: #a1a1aa; }
.tb h1 { font-size: 1.4rem; font-weight: 600; } .tb h2 { font-size: 1.05rem; font-weight: 600; margin: 1.6rem 0 0.5rem; }
.tb p.dim, .tb .dim { color: var(--dim); }
.tb .cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 0.75rem; }
.tb .card { border: 1px solid var(--line); border-left: 4px solid var(--tone); border-radius: 6px; padding: 0.7rem 0.9rem; }
.tb .card header { display: flex; justify-content: space-between; gap: 1rem; font-weight: 600; overflow-wrap: anywhere; }
.tb .sign { color: var(--tone); white-space: nowrap; }
.tb .sign::before { content: ""; display: inline-block; width: 0.6em; height: 0.6em; margin-right: 0.4em; border-radius: 50%;
  background: var(--tone); } .tb .broken .sign::before, .tb .warning .sign::before { border-radius: 0; } .tb .card p { margin-top: 0.3rem; }
.tb .ok { --tone: var(--ok); } .tb .warning { --tone: var(--warning); } .tb .broken { --tone: var(--broken); }
.tb .unknown, .tb .polls { --tone: var(--calm); }
.tb .advice { border-top: 1px solid var(--line); padding-top: 0.4rem; overflow-wrap: anywhere; }
.tb .wide { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
.tb table { width: 100%; border-collapse: collapse; } .tb th { text-align: left; font-weight: 600; background: var(--soft); }
.tb th, .tb td { padding: 0.4rem 0.7rem; border-bottom: 1px solid var(--line); vertical-align: top; }
.tb tbody tr:last-child td { border-bottom: 0; } .tb td.number, .tb th.number { text-align: right; white-space: nowrap; }
.tb a { color: var(--link); } .tb a:hover { text-decoration: underline; }
.tb code { font-family: ui-monospace, monospace; font-size: 0.8125rem; overflow-wrap: anywhere; }
.tb nav { display: flex; gap: 0.75rem; align-items: center; margin-top: 0.5rem; color: var(--dim); }
.tb button { border: 1px solid var(--line); border-radius: 4px; padding: 0.15rem 0.7rem; }
.tb button:disabled { opacity: 0.4; }
.tb .trouble { border: 1px solid var(--broken); color: var(--broken); border-radius: 6px; padding: 0.5rem 0.8rem; margin-top: 1rem; }
`;

const SIGNS = {
  ok: "Events arrive",
  warning: "Some events are missed",
  broken: "Needs attention",
  unknown: "Not known yet",
  polls: "Polls only",
};

const BY = { event: "event", api: "API", deadline: "deadline" };

const span = (seconds) => {
  if (seconds === null || seconds === undefined) return "–";
  if (seconds < 90) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
};

const taskPath = (row) => {
  const [dag, run, task] = [row.dag_id, row.run_id, row.task_id].map(encodeURIComponent);
  return `/dags/${dag}/runs/${run}/tasks/${task}${row.map_index >= 0 ? `/mapped/${row.map_index}` : ""}`;
};

const taskLink = (row) =>
  h(
    Fragment,
    null,
    h(Link, { to: taskPath(row) }, `${row.dag_id} / ${row.task_id}${row.map_index >= 0 ? ` [${row.map_index}]` : ""}`),
    h("div", { className: "dim" }, row.run_id),
  );

const jobs = (row) => {
  const ids = row.jobs.length ? row.jobs.join(", ") : row.environment || "";
  const more = row.count > row.jobs.length && row.jobs.length ? ` and ${row.count - row.jobs.length} more` : "";
  const told = ids ? `${ids}${more}` : row.count > 0 ? `${row.count} ${row.waits_for || "jobs"}` : "–";
  const text = h("code", null, told);
  return row.console
    ? h("a", { href: row.console, target: "_blank", rel: "noopener noreferrer", title: "In the console" }, text)
    : text;
};

const queueName = (row) => row.queue || (row.is_queue_known === false ? "not known" : "none: polls the API");

const where = (row) => [row.connection, row.region].filter(Boolean).join(", ");

const OPEN = [
  ["Task", taskLink],
  ["Waits for", jobs],
  ["Queue", queueName],
  ["For", (row) => span(row.age), "number"],
  ["Try", (row) => row.try_number, "number"],
  ["Triggerer", (row) => (row.has_triggerer ? "has it" : "none yet")],
];

const ENDED = [
  ["Task", taskLink],
  ["Job", jobs],
  ["Ended as", (row) => row.states.join(", ") || `task ${row.task_state}`],
  ["Ended by", (row) => BY[row.source] || "not recorded"],
  ["Queue", queueName],
  ["Lag", (row) => span(row.lag), "number"],
  ["Waited", (row) => span(row.waited), "number"],
  ["When", (row) => new Date(row.ended).toLocaleString()],
];

const WATCHERS = [
  ["Asset", (row) => h(Link, { to: `/assets/${row.asset_id}` }, row.asset)],
  ["Watcher", (row) => row.name],
  ["Queue", queueName],
  ["Connection", where],
  ["Triggerer", (row) => (row.has_triggerer ? "has it" : "none yet")],
];

const get = async (path) => {
  // Beside this module, wherever Airflow is served.
  const answer = await fetch(new URL(path, import.meta.url), { credentials: "same-origin" });
  if (!answer.ok) throw new Error(answer.status === 403 ? "you may not read this" : `the server answers ${answer.status}`);
  return answer.json();
};

const useData = (path) => {
  const [state, setState] = useState({ data: null, error: null });
  useEffect(() => {
    let isGone = false;
    const renew = async () => {
      if (document.hidden) return;
      try {
        const data = await get(path);
        if (!isGone) setState({ data, error: null });
      } catch (error) {
        if (!isGone) setState((before) => ({ ...before, error: error.message }));
      }
    };
    renew();
    const timer = setInterval(renew, RENEW_MS);
    document.addEventListener("visibilitychange", renew);
    return () => {
      isGone = true;
      clearInterval(timer);
      document.removeEventListener("visibilitychange", renew);
    };
  }, [path]);
  return state;
};

const Trouble = ({ error }) => (error ? h("p", { className: "trouble", role: "alert" }, `Cannot be read: ${error}.`) : null);

const Table = ({ columns, rows, name }) =>
  h(
    "div",
    { className: "wide" },
    h(
      "table",
      { "data-testid": name },
      h("thead", null, h("tr", null, columns.map(([title, , kind]) => h("th", { key: title, className: kind }, title)))),
      h(
        "tbody",
        null,
        rows.map((row, number) =>
          h("tr", { key: number }, columns.map(([title, show, kind]) => h("td", { key: title, className: kind }, show(row)))),
        ),
      ),
    ),
  );

const Paged = ({ title, path, columns, empty, name }) => {
  const [offset, setOffset] = useState(0);
  const { data, error } = useData(`${path}?offset=${offset}&limit=${ROWS}`);
  const total = data ? data.total : 0;
  return h(
    "section",
    null,
    h("h2", null, title, data ? h("span", { className: "dim" }, ` ${total}`) : null),
    h(Trouble, { error }),
    data && (total === 0 ? h("p", { className: "dim" }, empty) : h(Table, { columns, rows: data.rows, name })),
    total > ROWS &&
      h(
        "nav",
        null,
        h("button", { disabled: offset === 0, onClick: () => setOffset(Math.max(0, offset - ROWS)) }, "Back"),
        `${Math.min(offset + 1, total)} to ${Math.min(offset + ROWS, total)} of ${total}`,
        h("button", { disabled: offset + ROWS >= total, onClick: () => setOffset(offset + ROWS) }, "Next"),
      ),
  );
};

const Card = ({ queue, hours }) => {
  const by = Object.entries(queue.by).filter(([, count]) => count);
  const ended = by.length
    ? `${by.map(([source, count]) => `${count} by ${BY[source]}`).join(", ")} in ${hours} h`
    : `none ended in ${hours} h`;
  return h(
    "article",
    { className: `card ${queue.sign}`, "data-sign": queue.sign, "data-queue": queue.queue || "" },
    h("header", null, h("span", null, queue.queue || "Without a queue"), h("span", { className: "sign" }, SIGNS[queue.sign])),
    h("p", { className: "dim" }, where(queue)),
    h("p", null, `${queue.open} open${queue.open ? `, the oldest for ${span(queue.oldest)}` : ""}; ${ended}`),
    queue.lag !== null && h("p", null, `Half of the events were acted on within ${span(queue.lag)}.`),
    h("p", null, queue.text),
    queue.advice && h("p", { className: "advice" }, queue.advice),
  );
};

const Queues = () => {
  const { data, error } = useData("queues");
  return h(
    "section",
    null,
    h("h2", null, "Queues"),
    h(Trouble, { error }),
    data && !data.queues.length && h("p", { className: "dim" }, "No task waits, and none has lately."),
    data && data.is_cut && h("p", { className: "dim" }, `Only the oldest ${data.open} waits are looked at.`),
    data &&
      h(
        "div",
        { className: "cards" },
        data.queues.map((queue) =>
          h(Card, { key: `${queue.connection} ${queue.region} ${queue.queue}`, queue, hours: data.hours }),
        ),
      ),
  );
};

const Watchers = () => {
  const { data, error } = useData("watchers");
  if (data && !data.rows.length) return null;
  return h(
    "section",
    null,
    h("h2", null, "Watchers"),
    h(Trouble, { error }),
    data && h(Table, { columns: WATCHERS, rows: data.rows, name: "watchers" }),
  );
};

const BatchPage = () =>
  h(
    "div",
    { className: "tb" },
    h("style", null, STYLE),
    h("h1", null, "Batch"),
    h("p", { className: "dim" }, "Tasks that wait for Tencent Cloud Batch, and whether the events arrive that they wait for."),
    h(Queues),
    h(Paged, { title: "Open waits", path: "waits", columns: OPEN, empty: "No task waits.", name: "waits" }),
    h(Paged, {
      title: "Ended lately",
      path: "ended",
      columns: ENDED,
      empty: "No wait for a job has ended in the last 24 hours.",
      name: "ended",
    }),
    h(Watchers),
  );

globalThis.AirflowPlugin = BatchPage;
