// Where a browser is led that has signed out on a page of ours, and what it loads there for the apps that want it so
// (OpenID Connect Front-Channel Logout 1.0).
import { z } from 'zod';
import { type Page, type PageResult, page } from '../platform/http/page.ts';

const SIGNED_OUT = '/account/signed-out';
const NAME = 'signed-out';
const SECONDS = 60;
/** A cookie holds no more. */
const LONGEST = 2500;

const Frames = z.array(z.url()).catch([]);

export function afterSignOut(frames: readonly string[]): PageResult {
  const kept = frames.filter((_, index) => JSON.stringify(frames.slice(0, index + 1)).length < LONGEST);
  if (kept.length === 0) return { kind: 'redirect', to: '/end-session/success' };
  const carry = [{ name: NAME, value: JSON.stringify(kept), seconds: SECONDS }];
  return { kind: 'redirect', to: SIGNED_OUT, carry };
}

export function signedOutPage(): Page {
  return page({
    method: 'GET',
    path: SIGNED_OUT,
    limit: 'page',
    run({ carried }) {
      const frames = Frames.parse(JSON.parse(carried(NAME) ?? '[]'));
      return {
        kind: 'view',
        view: 'logout/done',
        title: 'logout.done.title',
        frames,
        model: { client: null, frames, next: null },
      };
    },
  });
}
