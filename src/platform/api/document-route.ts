// /api/v1/openapi.json: the API document of all routes, itself among them.
import { z } from 'zod';
import { type ApiDocument, type ApiDocumentDeps, apiDocument } from './openapi.ts';
import { type Route, route } from './route.ts';

/** The routes with the one that describes them, and their document, made when it is first asked for. */
export function documented(
  routes: readonly Route[],
  deps: ApiDocumentDeps,
): { routes: readonly Route[]; document: () => ApiDocument } {
  let made: ApiDocument | undefined;
  const document = () => {
    made ??= apiDocument(all, deps);
    return made;
  };
  const own = route({
    operation: 'getApiDocument',
    method: 'GET',
    path: '/openapi.json',
    permission: 'public',
    limit: 'admin-read',
    summary: 'This document.',
    fixed: true,
    reply: { 200: z.record(z.string(), z.unknown()) },
    run: () => ({ ...document() }),
  });
  const all = [...routes, own];
  return { routes: all, document };
}
