// Signing in to the account pages: an authorization request of the server's own client, which runs through the same steps
// as that of any app and ends here with nothing but a signed-in browser. And signing out.
import { z } from 'zod';
import type { Interactions } from '../oidc/oidc.ts';
import { failure } from '../platform/errors.ts';
import { type AccountArea, accountPage, type Page, page } from '../platform/http/page.ts';
import { afterSignOut } from '../sessions/sessions.ts';

export const ACCOUNT_CLIENT_ID = 'gatehouse-account';
/** The only address that its requests are answered at. */
export const SIGNED_IN_PATH = '/account/signed-in';

const HOME = '/account';
const OWN = [SIGNED_IN_PATH, '/account/signed-out', '/account/sign-in', '/account/sign-out'];

/** Where a sign-in leads: a page of the account area, whatever somebody wrote into the link. */
export function wayBack(text: string | undefined): string {
  const base = 'https://here.invalid';
  const url = URL.parse(text ?? HOME, base);
  if (url === null || url.origin !== base || OWN.includes(url.pathname)) return HOME;
  if (url.pathname !== HOME && !url.pathname.startsWith(`${HOME}/`)) return HOME;
  return `${url.pathname}${url.search}`;
}

/** The same request, beginning at the page on which an account is made. */
export function signUpAt(issuer: string): string {
  return `/authorize?${new URLSearchParams({
    client_id: ACCOUNT_CLIENT_ID,
    response_type: 'none',
    scope: 'openid',
    redirect_uri: `${issuer}${SIGNED_IN_PATH}`,
    state: HOME,
    prompt: 'create',
  })}`;
}

const address = z.string().max(2000).optional().catch(undefined);
const flag = z.literal('1').optional().catch(undefined);

export function signInPages(deps: {
  issuer: string;
  area: Pick<AccountArea, 'person'>;
  interactions: Pick<Interactions, 'leave'>;
}): Page[] {
  return [
    page({
      method: 'GET',
      path: '/account/sign-in',
      limit: 'page',
      query: z.object({ back: address, again: flag, switch: flag }),
      run: ({ query }) => ({
        kind: 'redirect',
        to: `/authorize?${new URLSearchParams({
          client_id: ACCOUNT_CLIENT_ID,
          response_type: 'none',
          scope: 'openid',
          redirect_uri: `${deps.issuer}${SIGNED_IN_PATH}`,
          state: wayBack(query.back),
          ...(query.again && { prompt: 'login' }),
          ...(query.switch && { prompt: 'select_account' }),
        })}`,
      }),
    }),

    page({
      method: 'GET',
      path: SIGNED_IN_PATH,
      limit: 'page',
      query: z.object({ state: address, error: address }),
      async run({ query, ctx }) {
        const person = await deps.area.person(ctx);
        // Whoever would not sign in is not asked again at once.
        if (query.error !== undefined) return { kind: 'redirect', to: person === undefined ? '/' : HOME };
        // Asking once more would lead here once more.
        if (person === undefined) throw failure('authentication_required');
        return { kind: 'redirect', to: wayBack(query.state) };
      },
    }),

    accountPage({
      method: 'POST',
      path: '/account/sign-out',
      limit: 'page',
      async run({ person, ctx }) {
        return afterSignOut(await deps.interactions.leave(ctx.req, ctx.res, person.sessionId));
      },
    }),
  ];
}
