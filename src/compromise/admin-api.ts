// POST /api/v1/api-keys/:id/compromised: ends a key that is in the wrong hands, and tells what it did.
import { managing } from '../api-keys/api-keys.ts';
import { IdParams } from '../platform/api/pages.ts';
import { type Route, route } from '../platform/api/route.ts';
import type { Compromise } from './compromise.ts';
import { CompromiseReport, CompromiseWish } from './schema.ts';

export function compromiseRoutes({ compromise }: { compromise: Compromise }): Route[] {
  return [
    route({
      operation: 'reportCompromisedApiKey',
      method: 'POST',
      path: '/api-keys/:id/compromised',
      permission: 'api-keys:delete',
      limit: 'admin-write',
      tenancy: 'organization',
      summary:
        'End a key in the wrong hands with all below it; what it did, from where, and what to rotate next.',
      params: IdParams,
      body: CompromiseWish,
      reply: { 200: CompromiseReport },
      errors: ['api_key_not_found'],
      run: ({ params, body, caller }) => compromise.report(params.id, body ?? {}, managing(caller)),
    }),
  ];
}
