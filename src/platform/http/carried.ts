// Short-lived cookies by which one page hands something to the next: a link's secret that leaves the address with it, so that
// neither history nor logs keep it. Sealed, and bound to the name they are carried under.
import type { Context } from 'koa';
import type { Seal } from '../secrets/seal.ts';
import type { Site } from './site.ts';

export interface Carried {
  readonly name: string;
  /** Null: is carried no further. */
  readonly value: string | null;
  readonly seconds: number;
}

export interface Carrier {
  put(ctx: Context, carried: Carried): void;
  /** undefined when there is none, it is over, or it is not one of ours. */
  read(ctx: Context, name: string): string | undefined;
}

export function createCarrier({ site, seal }: { site: Site; seal: Seal }): Carrier {
  const cookie = (name: string) => `${site.secure ? '__Host-' : ''}gatehouse_carried_${name}`;
  // Lax: the pages that take it are opened from a mail, and by redirects after that.
  const attributes = `Path=/; HttpOnly; SameSite=Lax${site.secure ? '; Secure' : ''}`;
  const context = (name: string) => `carried:${name}`;
  return {
    put(ctx, { name, value, seconds }) {
      if (value === null) {
        ctx.append('Set-Cookie', `${cookie(name)}=; Max-Age=0; ${attributes}`);
        return;
      }
      const until = Date.now() + seconds * 1000;
      const sealed = seal.seal(Buffer.from(JSON.stringify({ value, until })), context(name));
      const text = sealed.toString('base64url');
      ctx.append('Set-Cookie', `${cookie(name)}=${text}; Max-Age=${seconds}; ${attributes}`);
    },
    read(ctx, name) {
      const found = cookieOf(ctx, cookie(name));
      const opened = found && seal.open(Buffer.from(found, 'base64url'), context(name));
      if (!opened) return undefined;
      // What the seal opens, `put` has written.
      const { value, until } = JSON.parse(opened.toString()) as { value: string; until: number };
      return until > Date.now() ? value : undefined;
    },
  };
}

function cookieOf(ctx: Context, wanted: string): string | undefined {
  for (const pair of (ctx.req.headers.cookie ?? '').split(';')) {
    const [name, value] = pair.trim().split('=', 2);
    if (name === wanted) return value;
  }
  return undefined;
}
