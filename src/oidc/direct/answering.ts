// The token, introspection and revocation endpoints: answered without the engine where that can be, and otherwise handed to
// it as if nobody had read the request.
import type { Context } from 'koa';
import type { Audit } from '../../audit/audit.ts';
import type { Client, Clients } from '../../clients/clients.ts';
import { requestOf } from '../../platform/http/request-id.ts';
import { oidcOf } from '../notes.ts';
import { routes } from '../settings.ts';
import type { Asker } from './askers.ts';
import type { ClientCredentials } from './client-credentials.ts';
import { type Presented, presentedBy } from './credentials.ts';
import { type Fields, only, readForm } from './form.ts';
import type { Introspection } from './introspection.ts';
import type { KeyCallers } from './key-callers.ts';
import type { KeyTokens } from './key-tokens.ts';
import { type Answered, type Refusal, refusal, revoked, severalMethods } from './reply.ts';
import type { Revocation } from './revocation.ts';
import type { Admission, TokenLimits } from './token-limits.ts';

export interface Direct {
  /** True when it has answered; `engine` runs the engine on this request. */
  answer(ctx: Context, engine: () => Promise<void>): Promise<boolean>;
  /** What the token endpoint says to an API key alone, for an address that is not the token endpoint. */
  tokenForKey(
    key: string,
    ask: { resource?: string | undefined; scope?: string | undefined },
    from: { address: string | null; userAgent: string | null },
  ): Promise<Answered>;
}

type Route = 'token' | 'introspection' | 'revocation';

const paths: ReadonlyMap<string, Route> = new Map([
  [routes.token, 'token'],
  [routes.introspection, 'introspection'],
  [routes.revocation, 'revocation'],
]);

interface Asked {
  readonly route: Route;
  readonly fields: Fields;
  readonly presented: Presented;
  /** Of requests for tokens. */
  readonly admission: Admission | undefined;
}

export interface AnsweringDeps {
  issuer: string;
  clients: Pick<Clients, 'known' | 'secretMatches'>;
  audit: Pick<Audit, 'append'>;
  keyCallers: KeyCallers;
  keyTokens: KeyTokens;
  clientCredentials: ClientCredentials;
  limits: TokenLimits;
  introspection: Introspection;
  revocation: Revocation;
}

/** Finds nothing: stands in for the token while the engine only finds out who asks. */
const NO_TOKEN = 'none';

export function createAnswering(deps: AnsweringDeps): Direct {
  return {
    async tokenForKey(key, ask, from) {
      const caller = await deps.keyCallers.authenticate(
        { by: 'key', key, named: undefined },
        { ...from, route: 'token' },
      );
      if ('refused' in caller) return { reply: refusal(caller.refused), clientId: caller.keyId };
      return deps.keyTokens({ ...ask, grant_type: 'client_credentials' }, caller);
    },

    async answer(ctx, engine) {
      const route = ctx.method === 'POST' ? paths.get(ctx.path) : undefined;
      const form = route && (await readForm(ctx.req));
      if (route === undefined || form === undefined) {
        if (ctx.path === routes.token && ctx.method !== 'OPTIONS') await deps.limits.admitStranger(ctx);
        return false;
      }
      const { fields } = form;
      const presented = presentedBy(ctx.req.headers, fields);
      const admission = route === 'token' ? await admit(ctx, presented, fields) : undefined;
      const answered =
        overOwnLimit(admission) ?? (await answerTo(ctx, { route, fields, presented, admission }));
      if (answered !== undefined) {
        // The end of the body is still to come.
        ctx.req.resume();
        send(ctx, answered);
        return true;
      }
      const token = only(fields.token);
      if (route === 'token' || token === undefined) {
        form.giveBack();
        await engine();
        await admission?.settle(ctx.status === 200 && bringsLimits(await provedToEngine(ctx)));
        return true;
      }
      // The engine knows every way to prove who one is, and need not know the token for it.
      form.giveBack({ ...fields, token: NO_TOKEN });
      await engine();
      const client = ctx.status === 200 ? await provedToEngine(ctx) : undefined;
      if (client !== undefined) send(ctx, await about(route, token, asClient(client)));
      return true;
    },
  };

  async function admit(ctx: Context, presented: Presented, fields: Fields): Promise<Admission> {
    try {
      return await deps.limits.admit(ctx, presented, fields);
    } catch (error) {
      ctx.req.resume();
      throw error;
    }
  }

  /** undefined: the engine's. */
  async function answerTo(ctx: Context, asked: Asked): Promise<Answered | undefined> {
    const { route, fields, presented } = asked;
    if (presented.by === 'key') return forKey(ctx, asked, presented);
    if (presented.by === 'several') return { reply: refusal(severalMethods), outcome: severalMethods.error };
    if (presented.by === 'engine' || !isPlain(ctx)) return undefined;
    if (route === 'token') {
      const isOurs = fields.grant_type === 'client_credentials';
      return isOurs ? deps.clientCredentials(fields, presented) : undefined;
    }
    const token = only(fields.token);
    const client = token === undefined ? undefined : await provedBySecret(presented);
    return token && client ? about(route, token, asClient(client)) : undefined;
  }

  async function forKey(
    { req }: Context,
    { route, fields, admission }: Asked,
    presented: Extract<Presented, { by: 'key' }>,
  ): Promise<Answered> {
    const { headers } = req;
    const userAgent = headers['user-agent'] ?? null;
    const from = { address: requestOf({ req }).address, userAgent, route };
    const caller = await deps.keyCallers.authenticate(presented, from);
    if ('refused' in caller) {
      const { refused, keyId } = caller;
      // Over its own limit it is still as good as it was.
      if (refused.status !== 429) await admission?.settle(false);
      const realm = headers.authorization === undefined ? undefined : deps.issuer;
      return { reply: refusal(refused, { realm }), outcome: refused.code ?? refused.error, clientId: keyId };
    }
    await admission?.settle(caller.hasLimits);
    if (!isPlain({ req })) return refusedTo(caller.key.id, route, notForKeys);
    if (route === 'token') return deps.keyTokens(fields, caller);
    const token = only(fields.token);
    if (token === undefined) return refusedTo(caller.key.id, route, noToken);
    return about(route, token, { kind: 'key', id: caller.key.id, key: caller.key });
  }

  async function about(route: Exclude<Route, 'token'>, token: string, asker: Asker): Promise<Answered> {
    const clientId = asker.id;
    if (route === 'introspection') return { reply: await deps.introspection(token, asker), clientId };
    const refused = await deps.revocation(token, asker);
    return refused === undefined ? { reply: revoked, clientId } : refusedTo(clientId, route, refused);
  }

  /** To somebody who has proved who they are: an event, as the engine's refusals are (events.ts). */
  async function refusedTo(clientId: string, route: Route, refused: Refusal): Promise<Answered> {
    await deps.audit.append({
      type: 'request.refused',
      actor: { kind: 'client', id: clientId },
      outcome: 'denied',
      clientId,
      reason: refused.error,
      details: { route, grantType: null },
    });
    return { reply: refusal(refused), clientId, outcome: refused.error };
  }

  async function provedBySecret({ clientId, secret }: { clientId: string; secret: string }) {
    const [known, isRight] = await Promise.all([
      deps.clients.known(clientId),
      deps.clients.secretMatches(clientId, secret),
    ]);
    const client = known?.client;
    return isRight && client?.authMethod.startsWith('client_secret_') ? client : undefined;
  }

  async function provedToEngine(ctx: Context): Promise<Client | undefined> {
    const client = oidcOf(ctx)?.client;
    return client && (await deps.clients.known(client.clientId))?.client;
  }
}

const asClient = (client: Client): Asker => ({ kind: 'client', id: client.id, client });

const bringsLimits = (client: Client | undefined) => client !== undefined && client.rateLimits.length > 0;

function overOwnLimit(admission: Admission | undefined): Answered | undefined {
  if (admission?.refused === undefined) return undefined;
  const { clientId, refusal: refused } = admission.refused;
  return { reply: refusal(refused), clientId, outcome: refused.code };
}

/** Without what only the engine knows: pages of other origins, proofs of keys, attestations. */
function isPlain({ req }: Pick<Context, 'req'>): boolean {
  const { origin, dpop, 'oauth-client-attestation': attestation } = req.headers;
  return origin === undefined && dpop === undefined && attestation === undefined;
}

function send(ctx: Context, answered: Answered): void {
  const { reply, clientId, accountId, outcome } = answered;
  const facts = requestOf(ctx);
  facts.clientId = clientId ?? null;
  facts.accountId = accountId ?? null;
  facts.outcome = outcome;
  for (const [name, value] of Object.entries(reply.headers)) ctx.res.setHeader(name, value);
  ctx.status = reply.status;
  ctx.body = reply.body;
}

const notForKeys: Refusal = {
  status: 400,
  error: 'invalid_request',
  description: 'with an API key no DPoP proof can be sent, and not from a page of another site',
};

const noToken: Refusal = {
  status: 400,
  error: 'invalid_request',
  description: "missing required parameter 'token'",
};
