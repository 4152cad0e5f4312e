// The engine's bare page that posts itself onwards (form_post answers, a code in a link, a sign-out in between), drawn
// by our own view: with the same look, a content policy, and a button for people without JavaScript.
import type { Context } from 'koa';
import type { KoaContextWithOIDC } from 'oidc-provider';
import type { PageRenderer } from '../../platform/http/render-page.ts';

const BARE_PAGE = '<title>Submitting Callback</title>';
const ACTION = /<form method="post" action="([^"]*)">/;
const FIELD = /<input type="hidden" name="([^"]*)" value="([^"]*)"\/>/g;

/** Replaces the page if the engine has just made one; every other answer stays as it is. */
export function drawPassingOn(ctx: Context, renderer: PageRenderer): void {
  if (typeof ctx.body !== 'string' || !ctx.body.includes(BARE_PAGE)) return;
  const action = ACTION.exec(ctx.body)?.[1];
  if (action === undefined) return;
  const target = unescaped(action);
  const fields = [...ctx.body.matchAll(FIELD)].map(([, name = '', value = '']) => ({
    name: unescaped(name),
    value: unescaped(value),
  }));
  renderer.renderPage(ctx, {
    view: 'interaction/continue',
    title: 'continue.title',
    status: ctx.status,
    locale: renderer.localeOf(ctx, wantedLocales(ctx)),
    formAction: [target, ...laterTargets(ctx)],
    model: { action: target, fields },
  });
}

/** Chrome holds every redirect after the post against form-action: the client that waits behind a sign-out is one. */
function laterTargets(ctx: Context): string[] {
  const oidc = oidcOf(ctx);
  const afterSignOut = oidc?.session?.state?.postLogoutRedirectUri;
  const afterSignIn = oidc?.entities.Interaction?.params.redirect_uri;
  return [afterSignOut, afterSignIn].filter((target) => typeof target === 'string');
}

function wantedLocales(ctx: Context): string | undefined {
  const oidc = oidcOf(ctx);
  const wanted = oidc?.params?.ui_locales ?? oidc?.entities.Interaction?.params.ui_locales;
  return typeof wanted === 'string' ? wanted : undefined;
}

/** The engine hangs its own context on ours. */
function oidcOf(ctx: Context): KoaContextWithOIDC['oidc'] | undefined {
  return (ctx as unknown as Partial<Pick<KoaContextWithOIDC, 'oidc'>>).oidc;
}

/** The inverse of what the engine escapes. */
function unescaped(text: string): string {
  return text
    .replaceAll('&quot;', '"')
    .replaceAll('&#39;', "'")
    .replaceAll('&lt;', '<')
    .replaceAll('&gt;', '>')
    .replaceAll('&amp;', '&');
}
