// Sample data: two APIs, three clients and a person, so that a newcomer has something to sign in to.
import { randomInt } from 'node:crypto';
import type { Accounts } from '../accounts/accounts.ts';
import type { Apis, NewApi } from '../apis/apis.ts';
import type { Actor } from '../audit/audit.ts';
import type { Client, Clients, NewClient } from '../clients/clients.ts';
import type { Credentials } from '../credentials/credentials.ts';

export interface DemoDeps {
  accounts: Pick<Accounts, 'create' | 'findByIdentifier'>;
  credentials: Pick<Credentials, 'setPassword'>;
  apis: Pick<Apis, 'create' | 'change' | 'findByAudience'>;
  clients: Pick<Clients, 'register' | 'change' | 'find' | 'addSecret'>;
}

export interface DemoRequest {
  /** The origin of the sample app. */
  readonly app: string;
  /** The origin of the sample API, which is its audience, too. */
  readonly api: string;
  /** Whether what exists gets a new password and new secrets, and the old ones end. */
  readonly renew: boolean;
}

/** A secret or password is null when it was there before and was not renewed: nobody can read it again. */
export interface DemoData {
  readonly person: { readonly email: string; readonly password: string | null };
  readonly app: { readonly clientId: string; readonly clientSecret: string | null };
  readonly service: { readonly clientId: string; readonly clientSecret: string | null };
  readonly terminal: { readonly clientId: string };
  readonly audience: string;
}

export const demoPlaces = { app: 'http://localhost:4000', api: 'http://localhost:4001' } as const;

const EMAIL = 'demo@example.com';

/** Makes what is missing and brings the rest up to date; may be called again at any time. */
export async function ensureDemo(deps: DemoDeps, request: DemoRequest, by: Actor): Promise<DemoData> {
  for (const api of demoApis(request)) await ensureApi(deps, api, by);
  const secrets = new Map<string, string | null>();
  for (const input of demoClients(request)) {
    secrets.set(input.id, await ensureClient(deps, input, request.renew, by));
  }
  // RFC 7662 §2.1: whoever owns an API may ask about its tokens; the example of introspection does.
  const reports = await deps.apis.findByAudience(reportsOf(request));
  if (reports) await deps.apis.change(reports.id, { ownerClientId: 'demo-service' }, by);
  const password = await ensurePerson(deps, request.renew, by);
  return {
    person: { email: EMAIL, password },
    app: { clientId: 'demo-app', clientSecret: secrets.get('demo-app') ?? null },
    service: { clientId: 'demo-service', clientSecret: secrets.get('demo-service') ?? null },
    terminal: { clientId: 'demo-terminal' },
    audience: request.api,
  };
}

const reportsOf = ({ api }: DemoRequest) => `${api}/reports`;

function demoApis(request: DemoRequest): (NewApi & { audience: string })[] {
  return [
    {
      audience: request.api,
      name: 'Demo notes',
      permissions: [
        { name: 'notes:read', sentence: 'Read your notes', everyone: true },
        { name: 'notes:write', sentence: 'Write new notes for you', everyone: true },
      ],
    },
    {
      audience: reportsOf(request),
      name: 'Demo reports',
      permissions: [{ name: 'reports:read', sentence: 'Read reports' }],
      tokenFormat: 'opaque',
    },
  ];
}

function demoClients(request: DemoRequest): (NewClient & { id: string })[] {
  const { app, api } = request;
  const both = [{ audience: api, permissions: ['notes:read', 'notes:write'] }];
  return [
    {
      id: 'demo-app',
      name: 'Demo app',
      kind: 'web',
      redirectUris: [`${app}/callback`],
      postLogoutRedirectUris: [`${app}/signed-out`],
      clientUri: app,
      apis: both,
    },
    {
      id: 'demo-service',
      name: 'Demo service',
      kind: 'machine',
      apis: [
        { audience: api, permissions: ['notes:read'] },
        { audience: reportsOf(request), permissions: ['reports:read'] },
      ],
    },
    {
      id: 'demo-terminal',
      name: 'Demo in a terminal',
      kind: 'native',
      // RFC 8252 §7.3: the port is chosen when the example runs, and any port is taken.
      redirectUris: ['http://127.0.0.1/callback'],
      postLogoutRedirectUris: ['http://127.0.0.1/signed-out'],
      grantTypes: ['authorization_code', 'refresh_token', 'urn:ietf:params:oauth:grant-type:device_code'],
      apis: both,
    },
  ];
}

async function ensureApi(deps: DemoDeps, input: NewApi & { audience: string }, by: Actor): Promise<void> {
  const { audience, ...change } = input;
  const existing = await deps.apis.findByAudience(audience);
  if (existing === undefined) await deps.apis.create(input, by);
  else await deps.apis.change(existing.id, change, by);
}

async function ensureClient(
  deps: DemoDeps,
  input: NewClient & { id: string },
  renew: boolean,
  by: Actor,
): Promise<string | null> {
  const existing = await deps.clients.find(input.id);
  if (existing === undefined) return (await deps.clients.register(input, by)).secret;
  const { id, kind: _kind, ...change } = input;
  await deps.clients.change(id, change, by);
  if (!renew || !hasSecret(existing)) return null;
  return (await deps.clients.addSecret(id, { retireOthersAt: new Date(0) }, by)).secret;
}

const hasSecret = ({ authMethod }: Client) => authMethod.startsWith('client_secret');

async function ensurePerson(deps: DemoDeps, renew: boolean, by: Actor): Promise<string | null> {
  const existing = await deps.accounts.findByIdentifier(EMAIL);
  const person = { email: EMAIL, emailVerified: true, name: 'Dana Example', locale: 'en' };
  const account = existing ?? (await deps.accounts.create(person, by));
  if (existing !== undefined && !renew) return null;
  // Never a password that is written in the code: it would be left behind in production.
  const password = newPassword();
  await deps.credentials.setPassword(account.id, password, by);
  return password;
}

const LETTERS = 'abcdefghjkmnpqrstuvwxyz23456789';

/** Four groups of five, about 99 bits, without letters that look alike. */
function newPassword(): string {
  const group = () => Array.from({ length: 5 }, () => LETTERS.charAt(randomInt(LETTERS.length))).join('');
  return [group(), group(), group(), group()].join('-');
}
