// How the page talks to the server: queries and mutations over HTTP, subscriptions over graphql-transport-ws.
import { createClient } from 'graphql-ws';
import { getOperationAST, parse } from 'graphql';
import { headersOfTabs } from './tabs.js';

/** The rows of the header editor become HTTP headers, and the payload of `connection_init` for subscriptions. */
export function createFetcher({ endpoint, socket }) {
  const socketUrl = new URL(socket, location.href);
  socketUrl.protocol = location.protocol === 'https:' ? 'wss:' : 'ws:';

  return (params, options) => {
    const headers = options?.headers ?? {};
    const document = options?.documentAST ?? parse(params.query);
    if (params.operationName === 'IntrospectionQuery') {
      return introspect(endpoint, params, headers);
    }
    const operation = getOperationAST(document, params.operationName ?? undefined);
    return operation?.operation === 'subscription'
      ? subscribe(socketUrl.href, params, headers)
      : post(endpoint, params, headers);
  };
}

// The schema is told to who is logged in, and the editor asks for it before its header editor is there: so with the
// headers of any tab that is logged in, too.
async function introspect(endpoint, params, headers) {
  let answer = await post(endpoint, params, headers);
  for (const others of headersOfTabs()) {
    if (answer.data) {
      break;
    }
    answer = await post(endpoint, params, others);
  }
  return answer;
}

async function post(endpoint, params, headers) {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      accept: 'application/graphql-response+json, application/json;q=0.9',
      'content-type': 'application/json',
      ...headers,
    },
    body: JSON.stringify(params),
  });
  const text = await response.text();
  try {
    return JSON.parse(text);
  } catch {
    return { errors: [{ message: `The server answered ${response.status} without JSON: ${text.slice(0, 500)}` }] };
  }
}

// One socket per subscription, so that each tab is authenticated by its own headers. No silent reconnect: a stream is
// resumed with `after`, and a retry that starts afresh would hide exactly the gap that the reader should see.
async function* subscribe(url, params, connectionParams) {
  const client = createClient({ url, connectionParams, retryAttempts: 0, lazy: true });
  try {
    yield* client.iterate(params);
  } catch (error) {
    yield { errors: [{ message: describe(error) }] };
  } finally {
    client.dispose();
  }
}

function describe(error) {
  if (error instanceof CloseEvent) {
    return `The server closed the stream with code ${error.code}${error.reason ? `: ${error.reason}` : ''}`;
  }
  if (Array.isArray(error)) {
    return error.map(item => item.message).join('; ');
  }
  return error?.message ?? 'The stream could not be opened';
}
