// The route by which gateways and services ask about the credentials that they are shown.
import { type Route, route } from '../platform/api/route.ts';
import type { Gateway } from './gateway.ts';
import { VerifyBody, VerifyView } from './schema.ts';

export function gatewayRoutes({ gateway }: { gateway: Pick<Gateway, 'verify'> }): Route[] {
  return [
    route({
      operation: 'verifyCredential',
      method: 'POST',
      path: '/verify',
      permission: 'api-keys:verify',
      tenancy: 'organization',
      limit: 'verify',
      summary:
        'Ask whether an API key or access token is good for a request, and take it from its limits and budgets.',
      body: VerifyBody,
      reply: { 200: VerifyView },
      errors: ['amount_invalid', 'meter_unknown'],
      run: ({ body, caller }) => gateway.verify(body, caller),
    }),
  ];
}
