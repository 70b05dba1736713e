'use strict';
const $ = id => document.getElementById(id);
const SPAN = 30000, LEFT = 60, TOP = 22, BOTTOM = 196, HEIGHT = 220, APART = 110, MOST_TASKS = 80, LONG = 10000;
const points = [], marks = [];

function make(tag, text = '', kind = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

const ms = n => n >= 1000 ? `${(n / 1000).toFixed(2)} s` : n >= 100 ? `${Math.round(n)} ms` : `${n.toFixed(n >= 10 ? 1 : 2)} ms`;

/* ---- The curve ---- */

let width = 900;
let scale = 100; /* of the axis, in milliseconds: 100, 200, 400 … as much as the worst needs */
const y = lag => BOTTOM - (BOTTOM - TOP) * Math.min(lag, scale) / scale;
const x = (t, now) => width - (width - LEFT) * (now - t) / SPAN;

function drawGrid() {
  $('grid').innerHTML = [0, 0.5, 1].map(part => part * scale).map(lag =>
    `<line x1="${LEFT}" x2="${width}" y1="${y(lag)}" y2="${y(lag)}"/>` +
    `<text x="${LEFT - 8}" y="${y(lag) + 4}" text-anchor="end">${lag >= 1000 ? `${lag / 1000} s` : `${lag} ms`}</text>`
  ).join('') + `<text x="${width}" y="${HEIGHT - 4}" text-anchor="end">now</text>` +
    `<text x="${LEFT}" y="${HEIGHT - 4}">30 s ago</text>`;
}

/* What was pressed; named where there is room for it. */
function drawMarks(now) {
  let named = -Infinity;
  $('marks').innerHTML = marks.map(mark => {
    const at = x(mark.t, now), end = at > width - APART, line = `<line x1="${at}" x2="${at}" y1="${TOP}" y2="${BOTTOM}"/>`;
    if (at - named < APART) return line;
    named = at;
    return `${line}<text x="${at}" y="${TOP - 7}" text-anchor="${end ? 'end' : 'start'}">${mark.kind}</text>`;
  }).join('');
}

function draw() {
  const now = performance.now();
  while (points.length && now - points[0].t > SPAN) points.shift();
  while (marks.length && now - marks[0].t > SPAN) marks.shift();
  const worst = Math.max(0, ...points.map(p => p.lag));
  for (scale = 100; scale < worst; scale *= 2);
  width = $('chart').clientWidth;
  $('chart').setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  drawGrid();
  const line = points.map((p, i) => `${i ? 'L' : 'M'}${x(p.t, now).toFixed(1)} ${y(p.lag).toFixed(1)}`).join('');
  $('lag').setAttribute('d', line);
  $('area').setAttribute('d', line && `${line}V${BOTTOM}H${x(points[0].t, now).toFixed(1)}Z`);
  drawMarks(now);
}

/* ---- Numbers and lanes ---- */

function drawStats(stats) {
  points.push({ t: performance.now(), lag: stats.lag_ms.now });
  $('now').textContent = ms(stats.lag_ms.now);
  for (const key of ['p50', 'p99', 'max']) $(key).textContent = ms(stats.lag_ms[key]);
  $('tasks').textContent = stats.tasks;
  $('running').textContent = stats.jobs.running;
  $('queued').textContent = stats.jobs.queued;
  $('requests').textContent = stats.requests;
  for (const place of document.querySelectorAll('.pid')) place.textContent = stats.pid;
  drawLanes(stats.lanes);
  draw();
}

function drawLanes(lanes) {
  $('lanes').replaceChildren(...lanes.map(lane => {
    const queued = lane.queued + lane.waiting, refused = lane.rejected + lane.expired;
    const row = make('tr', '', lane.completed + lane.running + queued + refused ? '' : 'idle');
    const times = [lane.wait_ms.p50, lane.wait_ms.p99, lane.run_ms.p50, lane.run_ms.p99].map(n => n ? ms(n) : '–');
    row.append(make('td', lane.name), make('td', lane.running), make('td', queued, queued ? 'warm' : ''),
      ...times.map(text => make('td', text)), make('td', lane.completed), make('td', refused, refused ? 'warm' : ''));
    row.dataset.lane = lane.name;
    return row;
  }));
}

/* ---- Reports of the watchdog ---- */

const base = place => (place || '').replace(/.*\//, '');

/* The two functions of a coroutine are one to who reads. */
const nameOf = frame => (frame.function || '?').replace(/^weft__(body|resume)_/, '');

/* The innermost function that is none of a system library: the call that blocks is made there. */
const culprit = report => report.frames.find(frame => frame.at && !/\.so\b/.test(frame.module));

function drawReport(report) {
  const item = make('li'), line = make('p'), place = culprit(report), stack = make('details'), frames = make('ol');
  const what = report.kind === 'job' ? `job ${report.function} in lane ${report.lane}` : `${report.what} of task ${report.task ?? '–'}${report.function && report.function !== report.task ? `, in ${report.function}()` : ''}`;
  line.append(make('b', ms(report.for_ns / 1e6)), ` ${what}${report.stage === 'over' ? '' : ', so far'}`);
  item.append(line);
  if (place) item.append(make('p', `${nameOf(place)} at ${base(place.at)}`, 'at where'));
  if (report.syscall) item.append(make('p', report.syscall, 'at'));
  frames.append(...report.frames.filter(frame => !/^weft__resume_/.test(frame.function)).slice(0, 12).map(frame => {
    const row = make('li', `${nameOf(frame)} `);
    row.append(make('span', base(frame.at) || base(frame.module), 'at'));
    return row;
  }));
  stack.append(make('summary', `stack, ${new Date(report.told_at_ns / 1e6).toLocaleTimeString()}`), frames);
  item.append(stack);
  item.dataset.serial = report.serial;
  return item;
}

function drawReports(reports) {
  const open = new Set([...document.querySelectorAll('#reports li:has(> details[open])')].map(item => item.dataset.serial));
  if (!reports.length) return;
  $('reports').replaceChildren(...reports.map(report => {
    const item = drawReport(report);
    item.querySelector('details').open = open.has(String(report.serial));
    return item;
  }));
}

/* ---- Tasks ---- */

const since = new Map(); /* when a task was seen first, by its id */
let stuck = new Set();   /* tasks that wait in a circle */

/* The tasks that something refers to. */
function references(value, found = new Set()) {
  if (value && typeof value === 'object') {
    if (value.kind === 'task') found.add(value.task);
    for (const part of Object.values(value)) references(part, found);
  }
  return found;
}

function waitText(task) {
  const last = task.calls?.at(-1) ?? task, wait = task.waits_for;
  if (!wait) return task.state;
  const what = wait.kind === 'task' ? `task #${wait.task}` : [wait.name ?? wait.kind, wait.detail, wait.owner && `of task #${wait.owner}`]
    .filter(Boolean).join(' ');
  return `waits for ${what}${last.awaits_at ? ` at ${base(last.awaits_at)}` : ''}`;
}

function drawTask(task, tasks, seen) {
  const item = make('li'), age = performance.now() - since.get(task.id);
  seen.add(task.id);
  item.append(make('b', task.name), ' ', make('span', `#${task.id}`, 'id'), ' ', make('span', waitText(task), 'at'));
  if (age > LONG) item.append(' ', make('span', `for ${Math.round(age / 1000)} s or more`, 'id'));
  if (stuck.has(task.id)) item.className = 'stuck';
  const within = [...references([task.waits_for, task.scopes])].filter(id => tasks.has(id) && !seen.has(id));
  if (within.length) {
    const list = make('ul');
    list.append(...within.map(id => drawTask(tasks.get(id), tasks, seen)));
    item.append(list);
  }
  return item;
}

function drawCycle(cycle) {
  const box = make('div');
  box.append(make('b', 'Deadlock'), `: ${cycle.tasks.length} tasks wait for each other in a circle`);
  for (const task of cycle.tasks) {
    const line = make('p', `#${task.id} ${task.name} waits for ${task.waits_for} `);
    line.append(make('span', base(task.awaits_at), 'at'));
    box.append(line);
  }
  return box;
}

function drawTasks(loop) {
  const tasks = new Map(loop.tasks.slice(0, MOST_TASKS).map(task => [task.id, task])), seen = new Set();
  for (const id of since.keys()) if (!tasks.has(id)) since.delete(id);
  for (const id of tasks.keys()) if (!since.has(id)) since.set(id, performance.now());
  stuck = new Set(loop.cycles.flatMap(cycle => cycle.tasks.map(task => task.id)));
  const waited = references([...tasks.values()].map(task => [task.waits_for, task.scopes]));
  const roots = [...tasks.values()].filter(task => !waited.has(task.id));
  const items = roots.map(task => drawTask(task, tasks, seen));
  for (const task of tasks.values()) if (!seen.has(task.id)) items.push(drawTask(task, tasks, seen));
  $('tree').replaceChildren(...items);
  $('task-count').textContent = loop.task_count > tasks.size ? `${tasks.size} of ${loop.task_count}` : `${loop.task_count}`;
  const circles = loop.cycles.map(drawCycle), told = circles.map(box => box.textContent).join();
  if (told !== $('cycles').textContent) $('cycles').replaceChildren(...circles);
}

/* ---- What comes from the server ---- */

let heard = performance.now();

function listen() {
  const events = new EventSource('/events');
  const on = (name, draw) => events.addEventListener(name, event => { heard = performance.now(); draw(JSON.parse(event.data)); });
  on('message', drawStats);
  on('blocked', drawReports);
  on('tasks', drawTasks);
  events.onopen = () => { heard = performance.now(); };
  events.onerror = () => { heard = -Infinity; };
}

/* A loop that is held up sends nothing: that it is silent is all that one can see from here. */
function drawState() {
  const silent = performance.now() - heard;
  const [state, text] = silent === Infinity ? ['waits', 'the server does not answer']
    : silent > 600 ? ['held', `the loop is silent for ${(silent / 1000).toFixed(1)} s`] : ['live', 'live'];
  if ($('state').textContent !== text) $('state').textContent = text;
  $('state').dataset.state = state;
}

/* ---- Buttons ---- */

const actions = {
  block: ['GET', '/block?ms=1500', 'on the loop'], sleep: ['GET', '/sleep?ms=1500', 'on a worker'],
  flood: ['POST', '/trouble/flood', 'flood'], leak: ['POST', '/trouble/leak', 'leak'],
  deadlock: ['POST', '/trouble/deadlock', 'deadlock'], heal: ['DELETE', '/trouble', 'cancelled'],
  trace: ['POST', '/trace', 'trace'],
};

/* A window of its own; where the browser has something against that, the link does it. */
function showTrace(told) {
  const link = make('a', 'open it');
  Object.assign(link, { href: '/viewer.html#/trace', target: '_blank' });
  told.append(' ', link);
  open(link.href, '_blank');
}

/* A button that waits keeps the focus: so it is not disabled, but does nothing. */
for (const [id, [method, url, kind]] of Object.entries(actions)) {
  const button = $(id), told = document.querySelector(`output[for=${id}]`);
  button.onclick = async () => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    told.textContent = '…';
    marks.push({ t: performance.now(), kind });
    try {
      const answer = await fetch(url, { method, cache: 'no-store' });
      told.textContent = await answer.text();
      if (id === 'trace' && answer.ok) showTrace(told);
    } catch { told.textContent = 'no answer'; }
    button.setAttribute('aria-disabled', 'false');
  };
}

/* The answer's text if it is not what was hoped for: it says why. */
async function ask(url, options) {
  const answer = await fetch(url, { cache: 'no-store', ...options });
  if (!answer.ok) throw new Error(await answer.text());
  return answer.json();
}

$('prefix').oninput = async () => {
  const prefix = $('prefix').value;
  let text = '';
  try {
    if (prefix) text = (await ask(`/words?prefix=${encodeURIComponent(prefix)}`)).words.join(' ') || 'none';
  } catch (error) { text = error.message; }
  if (prefix === $('prefix').value) $('found').textContent = text;
};

$('visit').onclick = async () => {
  try {
    const { visits, yours } = await ask('/visits', { method: 'POST', body: 'browser' });
    $('visits').textContent = `${visits} so far, ${yours} of them from this page`;
  } catch (error) { $('visits').textContent = error.message; }
};

listen();
draw();
setInterval(draw, 100);
setInterval(drawState, 100);
