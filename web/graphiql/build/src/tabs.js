// Puts the server's starting tabs in front of the reader's own ones before the editor reads its storage. Written into
// the storage rather than passed as `defaultTabs`, which leaves variables and headers of the first tab empty.
const STATE = 'graphiql:tabState';
const SERVED = 'horae:servedTabs';
const EDITORS = { query: 'graphiql:query', variables: 'graphiql:variables', headers: 'graphiql:headers' };

/**
 * `tabs` as the page carries them: `[{ title, query, variables, headers }]`. `chosen` is the number of the one to open
 * with, from 1, as in `/graphiql?tab=2`: GraphiQL ends a subscription when its tab is left, so whoever watches and acts
 * at once needs two windows.
 */
export function seedTabs(tabs, chosen) {
  const served = tabs.map(toStored);
  const previous = readJson(SERVED) ?? [];
  const state = readJson(STATE);
  const stored = Array.isArray(state?.tabs) ? state.tabs : [];
  const wanted = served[chosen - 1];

  if (JSON.stringify(previous) === JSON.stringify(served)) {
    const has = wanted && stored.some(tab => tab.query === wanted.query);
    const all = wanted && !has ? [...stored, withId(wanted)] : stored;
    store(all.length > 0 ? all : served.map(withId), wanted ? indexOf(all, wanted) : (state?.activeTabIndex ?? 0));
    return;
  }

  const known = new Set([...previous, ...served].map(tab => tab.query));
  const own = stored
    .filter(tab => tab.query && !known.has(tab.query))
    .map(tab => withFreshHeaders(tab, previous, served));
  const all = [...served.map(withId), ...own];
  store(all, wanted ? indexOf(all, wanted) : 0);
  localStorage.setItem(SERVED, JSON.stringify(served));
}

/** The headers of the tabs that have some, each once. */
export function headersOfTabs() {
  const tabs = readJson(STATE)?.tabs ?? [];
  const texts = new Set(tabs.map(tab => tab.headers).filter(Boolean));
  return [...texts].flatMap(text => {
    try {
      return [JSON.parse(text)];
    } catch {
      return [];
    }
  });
}

// The editor opens with the tab whose content equals what is stored of its editors, and adds a tab when there is none.
// It empties the stored headers each time it starts, so what is stored is set right before.
function store(tabs, index) {
  const active = tabs[index] ?? tabs[0];
  if (!active) {
    return;
  }
  for (const [field, key] of Object.entries(EDITORS)) {
    localStorage.setItem(key, active[field] ?? '');
  }
  localStorage.setItem(STATE, JSON.stringify({ tabs, activeTabIndex: tabs.indexOf(active) }));
}

function indexOf(tabs, wanted) {
  return tabs.findIndex(tab => tab.query === wanted.query);
}

function withId(tab) {
  return { ...tab, id: crypto.randomUUID?.() ?? String(Math.random()) };
}

function toStored({ title, query, variables, headers }) {
  const operationName = /^(?!#).*(?:query|subscription|mutation)\s+([A-Za-z0-9_]+)/m.exec(query)?.[1] ?? null;
  return {
    hash: null,
    title: operationName ?? title,
    query: `# ${title}\n${query.trim()}\n`,
    variables: asText(variables),
    headers: asText(headers),
    operationName,
    response: null,
  };
}

// Tokens of a demo are made anew at each start: a tab that the reader edited but that still carries a token we once
// gave gets the token that works now.
function withFreshHeaders(tab, previous, served) {
  const index = previous.findIndex(old => old.headers && old.headers === tab.headers);
  return index >= 0 && served[index] ? { ...tab, headers: served[index].headers } : tab;
}

function asText(value) {
  return value && Object.keys(value).length > 0 ? JSON.stringify(value, null, 2) : '';
}

function readJson(key) {
  try {
    return JSON.parse(localStorage.getItem(key));
  } catch {
    return null;
  }
}
