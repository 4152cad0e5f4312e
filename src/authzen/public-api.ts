// /access/v1/… and its metadata: the endpoints of the OpenID AuthZEN Authorization API 1.0 (§Transport, HTTPS JSON Binding).
import { type Route, route } from '../platform/api/route.ts';
import type { Authzen } from './authzen.ts';
import {
  ActionSearch,
  ActionsFound,
  DecisionAnswer,
  EntitiesFound,
  Evaluation,
  Evaluations,
  EvaluationsAnswer,
  Metadata,
  ResourceSearch,
  SubjectSearch,
} from './schema.ts';

/** Everything below answers failures in plain text, as the specification wants: "an error message string". */
export const AUTHZEN_ROOT = '/access/v1/';

const endpoints = {
  access_evaluation_endpoint: `${AUTHZEN_ROOT}evaluation`,
  access_evaluations_endpoint: `${AUTHZEN_ROOT}evaluations`,
  search_subject_endpoint: `${AUTHZEN_ROOT}search/subject`,
  search_resource_endpoint: `${AUTHZEN_ROOT}search/resource`,
  search_action_endpoint: `${AUTHZEN_ROOT}search/action`,
};

const question = {
  method: 'POST',
  absolute: true,
  limit: 'decision',
  tenancy: 'organization',
} as const;

export function authzenRoutes({ authzen, issuer }: { authzen: Authzen; issuer: string }): Route[] {
  return [
    route({
      ...question,
      operation: 'evaluateAccess',
      path: endpoints.access_evaluation_endpoint,
      permission: 'access:execute',
      summary: 'Whether a subject may do something to a resource.',
      body: Evaluation,
      reply: { 200: DecisionAnswer },
      run: ({ body, caller }) => authzen.evaluate(body, caller.organizationId),
    }),
    route({
      ...question,
      operation: 'evaluateAccesses',
      path: endpoints.access_evaluations_endpoint,
      permission: 'access:execute',
      summary: 'Several such questions at once.',
      body: Evaluations,
      reply: { 200: EvaluationsAnswer },
      run: ({ body, caller }) => authzen.evaluateAll(body, caller.organizationId),
    }),
    route({
      ...question,
      operation: 'searchSubjects',
      path: endpoints.search_subject_endpoint,
      permission: 'access:search',
      summary: 'Who may do something to a resource.',
      body: SubjectSearch,
      reply: { 200: EntitiesFound },
      run: ({ body, caller }) => authzen.findSubjects(body, caller.organizationId),
    }),
    route({
      ...question,
      operation: 'searchResources',
      path: endpoints.search_resource_endpoint,
      permission: 'access:search',
      summary: 'To which registered resources a subject may do something.',
      body: ResourceSearch,
      reply: { 200: EntitiesFound },
      run: ({ body, caller }) => authzen.findResources(body, caller.organizationId),
    }),
    route({
      ...question,
      operation: 'searchActions',
      path: endpoints.search_action_endpoint,
      permission: 'access:search',
      summary: 'What a subject may do to a resource.',
      body: ActionSearch,
      reply: { 200: ActionsFound },
      run: ({ body, caller }) => authzen.findActions(body, caller.organizationId),
    }),
    route({
      operation: 'getAuthzenConfiguration',
      method: 'GET',
      path: '/.well-known/authzen-configuration',
      absolute: true,
      permission: 'public',
      limit: 'admin-read',
      summary: 'Where decisions are asked for.',
      fixed: true,
      reply: { 200: Metadata },
      run: () => ({
        policy_decision_point: issuer,
        access_evaluation_endpoint: issuer + endpoints.access_evaluation_endpoint,
        access_evaluations_endpoint: issuer + endpoints.access_evaluations_endpoint,
        search_subject_endpoint: issuer + endpoints.search_subject_endpoint,
        search_resource_endpoint: issuer + endpoints.search_resource_endpoint,
        search_action_endpoint: issuer + endpoints.search_action_endpoint,
      }),
    }),
  ];
}
