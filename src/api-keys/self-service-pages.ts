// /account/keys: where people look after the API keys of their own.
import type { Page } from '../platform/http/page.ts';
import type { KeyPageDeps } from './pages/frame.ts';
import { listPages } from './pages/list.ts';
import { makingPages } from './pages/making.ts';
import { onePages } from './pages/one.ts';
import { rotationPages } from './pages/rotation.ts';

export function keyPages(deps: KeyPageDeps): Page[] {
  // `new` stands before the pages of one key, whose addresses would take it for an id.
  return [...listPages(deps), ...makingPages(deps), ...onePages(deps), ...rotationPages(deps)];
}
