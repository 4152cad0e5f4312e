// A relying-party app for tests: a registered client, its openid-client configuration, and whole sign-ins in a few words.
import * as oauth from 'openid-client';
import type { Account } from '../../src/accounts/accounts.ts';
import type { AuditEvent, EventFilter } from '../../src/audit/audit.ts';
import type { Client, NewClient } from '../../src/clients/clients.ts';
import type { Services } from '../../src/services.ts';
import { type Browser, createBrowser, type Shown } from '../support/browser.ts';
import { createClient, signInAt } from '../support/people.ts';

type Params = Record<string, string>;
export type Tokens = Awaited<ReturnType<typeof oauth.authorizationCodeGrant>>;

export interface Begun {
  url: string;
  verifier: string;
  state: string;
}

export interface RelyingParty {
  readonly client: Client;
  readonly secret: string;
  readonly config: oauth.Configuration;
  /** An authorization request with PKCE; `params` over the usual ones, an empty text leaves one out. */
  begin(params?: Params): Promise<Begun>;
  /** Exchanges the code in the address that the browser was sent to. */
  finish(landed: string, begun: Begun, params?: Params, options?: oauth.DPoPOptions): Promise<Tokens>;
  /** The whole of it: request, sign-in page, consent, code, tokens. `params.resource` is also sent to the token endpoint. */
  signIn(
    person: Pick<Account, 'email'>,
    params?: Params,
    browser?: Browser,
  ): Promise<{ tokens: Tokens; browser: Browser; landed: Shown; begun: Begun }>;
}

interface Server {
  readonly issuer: string;
  readonly services: Services;
}

export async function relyingParty(
  server: Server,
  input: Partial<NewClient> = {},
  auth?: oauth.ClientAuth,
): Promise<RelyingParty> {
  const { client, secret } = await createClient(server.services, input);
  const config = await connect(server.issuer, client, secret, auth);
  const [redirectUri = ''] = client.redirectUris;

  const begin = async (params: Params = {}): Promise<Begun> => {
    const verifier = oauth.randomPKCECodeVerifier();
    const state = oauth.randomState();
    const usual: Params = {
      redirect_uri: redirectUri,
      scope: 'openid email',
      state,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: 'S256',
    };
    const given = Object.entries({ ...usual, ...params }).filter(([, value]) => value !== '');
    const { href } = oauth.buildAuthorizationUrl(config, Object.fromEntries(given));
    return { url: href, verifier, state };
  };
  const finish: RelyingParty['finish'] = (landed, begun, params, options) =>
    oauth.authorizationCodeGrant(
      config,
      new URL(landed),
      { pkceCodeVerifier: begun.verifier, expectedState: begun.state },
      params,
      options,
    );

  return {
    client,
    secret,
    config,
    begin,
    finish,
    async signIn(person, params = {}, browser = createBrowser(new URL(server.issuer).origin)) {
      const begun = await begin(params);
      const { landed } = await signInAt(begun.url, person, browser);
      const resource = params.resource === undefined ? {} : { resource: params.resource };
      return { tokens: await finish(landed.url, begun, resource), browser, landed, begun };
    },
  };
}

export async function connect(
  issuer: string,
  client: Client,
  secret: string,
  auth?: oauth.ClientAuth,
): Promise<oauth.Configuration> {
  return oauth.discovery(new URL(issuer), client.id, secret || undefined, auth ?? usualAuth(client, secret), {
    execute: [oauth.allowInsecureRequests],
  });
}

function usualAuth(client: Client, secret: string): oauth.ClientAuth {
  if (client.authMethod === 'none' || secret === '') return oauth.None();
  return client.authMethod === 'client_secret_basic'
    ? oauth.ClientSecretBasic(secret)
    : oauth.ClientSecretPost(secret);
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

/** A bare form post, for requests that a well-behaved client library would not send. */
export async function post(
  url: string,
  fields: Params | URLSearchParams,
  headers: Params = {},
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    body: new URLSearchParams(fields),
    headers: { accept: 'application/json', ...headers },
    redirect: 'manual',
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json') ?? false;
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : { text } };
}

export function basic(client: Pick<Client, 'id'>, secret: string): { authorization: string } {
  const text = `${encodeURIComponent(client.id)}:${encodeURIComponent(secret)}`;
  return { authorization: `Basic ${Buffer.from(text).toString('base64')}` };
}

/** What the server said no with: the `error` of an OAuth answer, by openid-client's own error or by a redirect. */
export async function refusal(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof oauth.ResponseBodyError || error instanceof oauth.AuthorizationResponseError) {
      return error.error;
    }
    if (error instanceof oauth.WWWAuthenticateChallengeError) {
      return error.cause[0]?.parameters.error ?? 'challenge';
    }
    throw error;
  }
  return 'nothing was refused';
}

/** Events of the ledger, oldest first. */
export async function eventsOf(services: Services, filter: EventFilter): Promise<AuditEvent[]> {
  const { items } = await services.audit.list(filter, { limit: 200, cursor: null });
  return items.toReversed();
}

export async function eventTypes(services: Services, filter: EventFilter): Promise<string[]> {
  return (await eventsOf(services, filter)).map((event) => event.type);
}
