// Bundles the page into ../static, which is committed: whoever builds the server needs no Node.
import { build } from 'esbuild';
import { createRequire } from 'node:module';
import { copyFile } from 'node:fs/promises';
import path from 'node:path';

const require = createRequire(import.meta.url);
const graphqlModule = path.join(path.dirname(require.resolve('graphql/package.json')), 'index.mjs');

// Two copies of graphql-js (ESM and CommonJS) in one page refuse each other's schemas, so everyone gets this one.
const oneGraphql = {
  name: 'one-graphql',
  setup(bundler) {
    bundler.onResolve({ filter: /^graphql$/ }, () => ({ path: graphqlModule }));
  },
};

await build({
  entryPoints: { graphiql: 'src/main.jsx' },
  outdir: '../static',
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['es2022'],
  jsx: 'automatic',
  legalComments: 'linked',
  define: { 'process.env.NODE_ENV': '"production"' },
  loader: { '.woff2': 'dataurl', '.png': 'dataurl' },
  plugins: [oneGraphql],
  logLevel: 'info',
});
await copyFile('src/favicon.svg', '../static/favicon.svg');
