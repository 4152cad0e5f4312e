// Answers of the engine that are drawn anew by our views, after it has made them.
import type { Context } from 'koa';
import type { PageRenderer } from '../../platform/http/render-page.ts';
import { oidcOf } from '../notes.ts';
import { type FrontChannelDeps, framesOf } from './front-channel.ts';
import { drawPassingOn } from './passing-on.ts';

export async function drawAnew(
  ctx: Context,
  deps: FrontChannelDeps & { renderer: PageRenderer },
): Promise<void> {
  drawPassingOn(ctx, deps.renderer);
  await drawSignedOut(ctx, deps);
}

/** So long do the pages of the apps have to load before it goes on to the app that asked. */
const WAIT_SECONDS = 3;

/**
 * OpenID Connect Front-Channel Logout 1.0 §3: the redirect after a sign-out becomes a page with a frame for each app that
 * wants one, which then leads on to where the redirect would have.
 */
async function drawSignedOut(
  ctx: Context,
  deps: FrontChannelDeps & { renderer: PageRenderer },
): Promise<void> {
  const oidc = oidcOf(ctx);
  const to = ctx.response.get('Location');
  if (oidc?.route !== 'end_session_confirm' || !oidc.params?.logout || to === '' || !oidc.session) return;
  const frames = await framesOf(oidc.session, deps);
  if (frames.length === 0) return;
  const isOurs = to === oidc.urlFor('end_session_success');
  ctx.remove('Location');
  deps.renderer.renderPage(ctx, {
    view: 'logout/done',
    title: 'logout.done.title',
    frames,
    ...(!isOurs && { headers: { Refresh: `${WAIT_SECONDS}; url=${to}` } }),
    model: { client: null, frames, next: isOurs || !/^https?:/.test(to) ? null : to },
  });
}
