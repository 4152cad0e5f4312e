// What the ledger and the request log hear of a protocol request beyond the engine's events: who asked, and JWTs that were
// made (they leave no row).
import type { Context } from 'koa';
import type { Configuration, KoaContextWithOIDC } from 'oidc-provider';
import type { Audit } from '../audit/audit.ts';
import { requestOf } from '../platform/http/request-id.ts';
import { organizationOf } from './consent/grant-organization.ts';
import type { SignedToken } from './tokens/token-claims.ts';

/** Whom the engine found to be asking, for the request log; a name that nobody has is not noted. */
export function noteParties(ctx: Context): void {
  const oidc = oidcOf(ctx);
  if (!oidc) return;
  const facts = requestOf(ctx);
  facts.clientId = oidc.client?.clientId ?? null;
  facts.accountId = oidc.account?.accountId ?? oidc.session?.accountId ?? null;
}

/** Adds the opaque handle to every JWT access token, and notes its issue: a JWT leaves no row of its own. */
export function customizeJwt(
  handleOf: (token: SignedToken) => string,
  note: (ctx: object, event: Parameters<Audit['append']>[0]) => void,
): NonNullable<NonNullable<NonNullable<Configuration['formats']>['customizers']>['jwt']> {
  return (ctx, token, jwt) => {
    const accountId = 'accountId' in token ? (token.accountId ?? null) : null;
    const clientId = token.clientId ?? null;
    const organizationId = organizationOf(ctx.oidc.entities.Grant) ?? undefined;
    jwt.payload.handle = handleOf({ ...belongings(token), organizationId });
    note(ctx, {
      type: 'token.issued',
      actor: { kind: 'client', id: clientId },
      outcome: 'success',
      accountId,
      clientId,
      // Not as its target: an index entry at a random place for every token is what the database would feel most.
      details: {
        tokenId: token.jti,
        grantType: ctx.oidc.params?.grant_type ?? null,
        audience: jwt.payload.aud ?? null,
        scope: token.scope ?? null,
        grantId: 'grantId' in token ? (token.grantId ?? null) : null,
        ...(organizationId && { organizationId }),
      },
    });
  };
}

/** Of a model of the engine, whose fields are not all its own. */
function belongings(token: SignedToken): SignedToken {
  const { jti, accountId, clientId, grantId, sessionUid, expiresWithSession } = token;
  return { jti, accountId, clientId, grantId, sessionUid, expiresWithSession };
}

/** The session that the answer leaves with the browser. */
export function shownNow(ctx: object): string | undefined {
  // `destroyed` is set by destroy() and is missing from the published types.
  const session: { jti: string; destroyed?: boolean } | undefined = oidcOf(ctx)?.session;
  return session?.destroyed ? undefined : session?.jti;
}

export function oidcOf(ctx: object): KoaContextWithOIDC['oidc'] | undefined {
  return 'oidc' in ctx ? (ctx as KoaContextWithOIDC).oidc : undefined;
}
