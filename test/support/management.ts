// Calls of the management API as a program makes them, with tokens of a machine that was given some permissions.
import * as oauth from 'openid-client';
import { permissions } from '../../src/vocabulary/permissions.ts';
import { relyingParty } from '../flows/relying-party.ts';
import type { TestServer } from './gatehouse.ts';

export interface Call {
  body?: unknown;
  headers?: Record<string, string>;
  /** Another token than that of the machine with every permission; null for none. */
  token?: string | null;
}

export interface Reply {
  status: number;
  headers: Headers;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of every shape
  body: any;
}

export interface Machine {
  clientId: string;
  token: string;
}

/** A client of its own that may do just this at the management API. */
export async function machine(
  gatehouse: TestServer,
  names: readonly string[] = Object.keys(permissions),
): Promise<Machine> {
  const apis = [{ audience: `${gatehouse.issuer}/api`, permissions: [...names] }];
  const app = await relyingParty(gatehouse, { kind: 'machine', apis });
  const { access_token } = await oauth.clientCredentialsGrant(app.config, { scope: names.join(' ') });
  return { clientId: app.client.id, token: access_token };
}

/** Asks with the token of `by` unless the call brings another. */
export function callsBy(gatehouse: TestServer, by: () => Machine) {
  return async (method: string, path: string, call: Call = {}): Promise<Reply> => {
    const token = call.token === undefined ? by().token : call.token;
    const response = await fetch(`${gatehouse.issuer}/api/v1${path}`, {
      method,
      headers: {
        ...(token === null ? {} : { Authorization: `Bearer ${token}` }),
        ...(call.body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...call.headers,
      },
      ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : isJson(response) ? JSON.parse(text) : text,
    };
  };
}

const isJson = ({ headers }: Response) => /json/.test(headers.get('content-type') ?? '');
