// Every route there is.

import { openApiRoute } from '../openapi'
import type { Route } from '../route'
import type { Services } from '../services'
import { actionRoutes } from './actions'
import { auditRoutes } from './audit'
import { healthRoutes } from './health'
import { inboxRoutes } from './inbox'
import { outcomeRoutes } from './outcomes'
import { parkedRoutes } from './parked'
import { reportRoutes } from './reports'
import { scoreRoutes } from './scores'
import { sqlRoutes } from './sql'
import { steeringRoutes } from './steering'
import { suppressionRoutes } from './suppressions'
import { unsubscribeRoutes } from './unsubscribe'
import { warmupRoutes } from './warmups'
import { weightRoutes } from './weights'

export const allRoutes = (services: Services): Route[] => {
  const routes = [
    ...weightRoutes(services),
    ...steeringRoutes(services),
    ...parkedRoutes(services),
    ...actionRoutes(services),
    ...scoreRoutes(services),
    ...outcomeRoutes(services),
    ...warmupRoutes(services),
    ...suppressionRoutes(services),
    ...reportRoutes(services),
    ...inboxRoutes(services),
    ...unsubscribeRoutes(services),
    ...sqlRoutes(services),
    ...auditRoutes(services),
    ...healthRoutes(services),
  ]
  return [...routes, openApiRoute(routes, services.version)]
}
