import { createRoot } from 'react-dom/client';
import { GraphiQL } from 'graphiql';
import { explorerPlugin } from '@graphiql/plugin-explorer';
import 'graphiql/style.css';
import '@graphiql/plugin-explorer/style.css';
import './page.css';
import { createFetcher } from './fetcher.js';
import { seedTabs } from './tabs.js';

const settings = JSON.parse(document.getElementById('settings').textContent);
seedTabs(settings.tabs, Number(new URLSearchParams(location.search).get('tab')));

const fetcher = createFetcher(settings);
const plugins = [explorerPlugin({ showAttribution: false })];

createRoot(document.getElementById('graphiql')).render(
  <GraphiQL
    fetcher={fetcher}
    plugins={plugins}
    isHeadersEditorEnabled
    shouldPersistHeaders
    inputValueDeprecation
    schemaDescription
    defaultEditorToolsVisibility="variables"
  />,
);
