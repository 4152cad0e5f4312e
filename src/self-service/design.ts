// The design system on one page: each component in each state, in the schemes and directions there are. On the machine of a
// developer, like the outbox, and nowhere else.
import { z } from 'zod';
import { isLoopbackHost } from '../lib/url.ts';
import { type AccountArea, type Page, page } from '../platform/http/page.ts';
import type { Site } from '../platform/http/site.ts';
import { appearances } from '../vocabulary/appearances.ts';

export interface DesignDeps {
  readonly site: Site;
  readonly config: { readonly environment: string };
  readonly area: Pick<AccountArea, 'sections'>;
}

const PATH = '/dev/design';
const directions = ['ltr', 'rtl'] as const;

const Query = z.object({
  theme: z.enum(appearances).catch('system'),
  dir: z.enum(directions).catch('ltr'),
});

export function designPages({ site, config, area }: DesignDeps): Page[] {
  if (config.environment !== 'development' || !isLoopbackHost(new URL(site.origin).hostname)) return [];
  return [
    page({
      method: 'GET',
      path: PATH,
      limit: 'page',
      query: Query,
      run: ({ query: { theme, dir } }) => ({
        kind: 'view',
        view: 'dev/design',
        title: 'dev.design.title',
        nav: 'security',
        dir,
        frame: {
          person: { name: 'Ada Lovelace', email: 'ada@example.com', zone: null },
          theme,
          sections: area.sections,
          within: undefined,
          done: 'account.done.saved',
        },
        model: {
          themes: appearances.map((one) => link(one, { theme: one, dir }, one === theme)),
          directions: directions.map((one) => link(one, { theme, dir: one }, one === dir)),
        },
      }),
    }),
    // Its buttons do nothing, wherever one presses.
    page({ method: 'POST', path: PATH, limit: 'page', run: () => ({ kind: 'redirect', to: PATH }) }),
  ];
}

function link(name: string, query: { theme: string; dir: string }, isHere: boolean) {
  return { name, href: `${PATH}?${new URLSearchParams(query)}`, isHere };
}
