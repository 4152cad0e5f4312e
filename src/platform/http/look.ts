// How somebody wants to see the pages: colours and language. A cookie keeps it for the pages that come before it is known
// who is there.
import type { Context } from 'koa';
import { type Appearance, appearances } from '../../vocabulary/appearances.ts';
import type { Site } from './site.ts';

export interface Look {
  readonly theme: Appearance;
  /** undefined: as the browser wants. */
  readonly locale: string | undefined;
}

const COOKIE = 'gatehouse_look';
const YEAR_SECONDS = 31_536_000;
// Written by ourselves, but anybody can write cookies into their own browser.
const WRITTEN = /^([a-z]{1,16})\.([A-Za-z0-9-]{0,35})$/;

export function lookOf(ctx: Context): Look {
  const value = cookieIn(ctx);
  const [, name, locale] = WRITTEN.exec(value ?? '') ?? [];
  return { theme: appearances.find((theme) => theme === name) ?? 'system', locale: locale || undefined };
}

/** Nothing is sent as long as nothing changes, and nothing is kept of who has no wishes. */
export function keepLook(ctx: Context, look: Look, site: Site): void {
  const wanted = look.theme === 'system' && !look.locale ? undefined : `${look.theme}.${look.locale ?? ''}`;
  if (wanted === cookieIn(ctx)) return;
  const attributes = `Path=/; HttpOnly; SameSite=Lax${site.secure ? '; Secure' : ''}`;
  const life = wanted === undefined ? 0 : YEAR_SECONDS;
  ctx.append('Set-Cookie', `${COOKIE}=${wanted ?? ''}; Max-Age=${life}; ${attributes}`);
}

function cookieIn(ctx: Context): string | undefined {
  const pairs = (ctx.req.headers.cookie ?? '').split(';').map((pair) => pair.trim());
  return pairs.find((pair) => pair.startsWith(`${COOKIE}=`))?.slice(COOKIE.length + 1);
}
