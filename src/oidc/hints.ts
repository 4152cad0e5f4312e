// An app may say whom it means (login_hint, id_token_hint). Where that account is signed in in this browser beside another,
// the engine is shown its session, before it looks: so prompt=none works, and nobody is signed out.
import { decodeJwt } from 'jose';
import type { Context } from 'koa';
import type { Client as EngineClient, Provider } from 'oidc-provider';
import { normalizeIdentifier } from '../lib/identifiers.ts';
import type { BrowserAccounts, SignedIn } from './browser-accounts.ts';
import { routes } from './settings.ts';

export interface Hints {
  /** True when it has answered: the same request again, by a browser whose session cookie is that of the account meant. */
  answer(ctx: Context): Promise<boolean>;
}

const PUSHED = 'urn:ietf:params:oauth:request_uri:';

type Params = Readonly<Record<string, unknown>>;

export function createHints(deps: {
  issuer: string;
  provider: () => Provider;
  browser: BrowserAccounts;
  subjectOf: (client: EngineClient, accountId: string) => string;
}): Hints {
  const { browser } = deps;

  /** RFC 9126 §4: what was pushed counts, and nothing beside it. */
  async function paramsOf(query: Params): Promise<Params> {
    const { request_uri: uri } = query;
    if (typeof uri !== 'string' || !uri.startsWith(PUSHED)) return query;
    const pushed = await deps.provider().PushedAuthorizationRequest.find(uri.slice(PUSHED.length));
    return pushed ? { client_id: query.client_id, ...claimsOf(pushed.request) } : {};
  }

  async function meant(params: Params): Promise<((one: SignedIn) => boolean) | undefined> {
    const { id_token_hint: token, login_hint: login } = params;
    const claims = claimsOf(token);
    const clientId = params.client_id ?? claims.aud;
    const client = typeof clientId === 'string' ? await deps.provider().Client.find(clientId) : undefined;
    // What the engine refuses next must not have moved anybody by then.
    if (client === undefined) return undefined;
    if (typeof token === 'string') {
      if (!(await isOurs(token, client))) return undefined;
      return ({ account }) => deps.subjectOf(client, account.id) === claims.sub;
    }
    const identifier = typeof login === 'string' ? normalizeIdentifier(login) : undefined;
    if (identifier === undefined) return undefined;
    return ({ account }) =>
      [account.email, account.username].some(
        (own) => own !== null && normalizeIdentifier(own) === identifier,
      );
  }

  async function isOurs(token: string, client: EngineClient): Promise<boolean> {
    try {
      await deps.provider().IdToken.validate(token, client);
      return true;
    } catch {
      return false;
    }
  }

  return {
    async answer(ctx) {
      const signingOut = ctx.path === routes.end_session;
      if (ctx.method !== 'GET' || !(signingOut || ctx.path === routes.authorization)) return false;
      if (!(await browser.hasOthers(ctx.req, ctx.res))) return false;
      const params = signingOut ? ctx.query : await paramsOf(ctx.query);
      // Who wants the person to choose gets no choice made.
      if (String(params.prompt).split(' ').includes('select_account')) return false;
      const isMeant = await meant(params);
      const all = await browser.list(ctx.req, ctx.res);
      const one = isMeant && all.find(isMeant);
      if (!one || one.active) return false;
      await browser.activate(ctx.req, ctx.res, one.session, { back: signingOut });
      ctx.status = 303;
      ctx.set('Cache-Control', 'no-store');
      ctx.set('Location', `${deps.issuer}${ctx.path}${ctx.search}`);
      ctx.body = null;
      ctx.status = 303;
      return true;
    },
  };
}

function claimsOf(jwt: unknown): Params {
  try {
    return typeof jwt === 'string' ? decodeJwt(jwt) : {};
  } catch {
    return {};
  }
}
