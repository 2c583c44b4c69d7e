import { breaking, type Change, drop, harmless, put, text } from './change.ts'

const device = '/paths/~1v1~1auth~1device/post'
const profile = '/paths/~1v1~1players~1{playerId}/get'
const own = '/paths/~1v1~1players~1me/get'
const schemas = '/components/schemas'
const json = 'application~1json'
const problemJson = 'application~1problem+json'

export const answerChanges: readonly Change[] = [
  breaking('an operation does not go away', drop(own), [[own, 'the operation GET /v1/players/me is gone']]),
  breaking('a path does not go away', drop('/paths/~1v1~1wallet'), [
    ['/paths/~1v1~1wallet/get', 'the operation GET /v1/wallet is gone'],
  ]),
  breaking('an operation keeps its name', put(`${own}/operationId`, 'getMe'), [
    [`${own}/operationId`, 'the operationId went from getOwnProfile to getMe'],
  ]),
  breaking(
    'a success keeps its status',
    [drop(`${own}/responses/200`), put(`${own}/responses/201`, { description: 'As asked.' })],
    [
      [`${own}/responses/200`, 'the status 200 is gone'],
      [`${own}/responses/201`, 'the status 201 is now possible'],
    ],
  ),
  breaking('an answer keeps its headers', drop(`${profile}/responses/200/headers/ETag`), [
    [`${profile}/responses/200/headers/ETag`, 'the header etag is gone'],
  ]),
  breaking('a failure keeps its headers', drop(`${own}/responses/429/headers/Retry-After`), [
    [`${own}/responses/429/headers/Retry-After`, 'the header retry-after is gone'],
  ]),
  breaking(
    'a header that many answers share is held, and named once',
    drop('/components/headers/RetryAfter/schema/minimum'),
    [['/components/headers/RetryAfter/schema', 'the least value went from 1 to none']],
  ),
  breaking('an answer keeps its media type', put(`${own}/responses/200/content`, { 'text/plain': { schema: text } }), [
    [`${own}/responses/200/content/${json}`, 'the media type application/json is gone'],
    [`${own}/responses/200/content/text~1plain`, 'the media type text/plain is now possible'],
  ]),
  breaking(
    'a member of an answer that several operations share does not go away, and is named once',
    drop(`${schemas}/OwnProfile/properties/language`),
    [[`${schemas}/OwnProfile/properties/language`, 'the member `language` is gone']],
  ),
  breaking(
    'a member of an answer does not become null',
    put(`${schemas}/Profile/properties/displayName/type`, ['string', 'null']),
    [[`${schemas}/Profile/properties/displayName`, 'a value of type null is now possible']],
  ),
  breaking(
    'a balance in an answer stays within its bounds',
    drop(`${schemas}/Balances/items/properties/amount/minimum`),
    [[`${schemas}/Balances/items/properties/amount`, 'the least value went from 0 to none']],
  ),
  breaking('a time in an answer keeps its format', put(`${schemas}/Session/properties/serverTime/format`, 'date'), [
    [`${schemas}/Session/properties/serverTime`, 'the format went from date-time to date'],
  ]),
  breaking(
    'a problem keeps the members that its code brings',
    drop(`${schemas}/InsufficientFundsProblem/allOf/1/properties/balance`),
    [[`${schemas}/InsufficientFundsProblem/allOf/1/properties/balance`, 'the member `balance` is gone']],
  ),
  breaking(
    'a problem always brings the members of its code',
    put(`${schemas}/InsufficientFundsProblem/allOf/1/required`, ['code', 'status', 'currency', 'balance']),
    [[`${schemas}/InsufficientFundsProblem/allOf/1/properties/needed`, 'the member `needed` can now be absent']],
  ),
  breaking('every problem keeps the members that all share', drop(`${schemas}/Problem/properties/requestId`), [
    [`${schemas}/Problem/properties/requestId`, 'the member `requestId` is gone'],
  ]),
  breaking(
    'a code keeps its status',
    [
      put(`${schemas}/MisdirectedProblem/allOf/1/properties/status/const`, 409),
      drop(`${device}/responses/421`),
      put(`${device}/responses/409`, {
        description: 'moved',
        content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/MisdirectedProblem' } } },
      }),
    ],
    [[`${schemas}/MisdirectedProblem/allOf/1/properties/status`, 'the value 409 is now possible']],
  ),
  breaking(
    'a problem keeps its media type',
    [
      put(`${own}/responses/404/content/${json}`, { schema: { $ref: '#/components/schemas/NotFoundProblem' } }),
      drop(`${own}/responses/404/content/${problemJson}`),
    ],
    [
      [`${own}/responses/404/content/${problemJson}`, 'the media type application/problem+json is gone'],
      [`${own}/responses/404/content/${json}`, 'the media type application/json is now possible'],
    ],
  ),
  harmless(
    'a new operation breaks nobody',
    put('/paths/~1v1~1mottos', { get: { operationId: 'x', security: [], responses: {} } }),
  ),
  harmless('a new header breaks nobody', put(`${own}/responses/200/headers/X-New`, { schema: text })),
  harmless('a header may be written in other case', [
    drop(`${own}/responses/200/headers/X-Request-Id`),
    put(`${own}/responses/200/headers/x-request-id`, { $ref: '#/components/headers/RequestId' }),
  ]),
  harmless('a new member of an answer breaks nobody', put(`${schemas}/Profile/properties/level`, { type: 'integer' })),
  harmless(
    'a member of an answer may stop to be null',
    put(`${schemas}/Profile/properties/country`, { ...text, pattern: '^[A-Z]{2}$' }),
  ),
  harmless(
    'a new code breaks nobody, since a client goes by the status of a code that it does not know',
    put(`${own}/responses/404/content/${problemJson}/schema`, {
      oneOf: [{ $ref: '#/components/schemas/NotFoundProblem' }, { $ref: '#/components/schemas/MisdirectedProblem' }],
    }),
  ),
  harmless(
    'a new code under a new status breaks nobody',
    put(`${own}/responses/421`, {
      description: 'new',
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/MisdirectedProblem' } } },
    }),
  ),
  harmless('a code may cease to be answered', [drop(`${device}/responses/400`), drop(`${device}/responses/421`)]),
  harmless('a read may begin to be answered with 304', put(`${own}/responses/304`, { description: 'Not modified.' })),
  harmless('words, groups, places and lives may change', [
    put(`${profile}/summary`, 'Read a profile'),
    put(`${profile}/tags`, ['people']),
    put(`${profile}/x-perigee-delivery/freshMs`, 1),
    put(`${profile}/deprecated`, true),
    put('/info/version', '9.0.0'),
    put('/components/securitySchemes/player/description', 'A token.'),
  ]),
]
