// GET /monitor: all that the monitor page shows, as one JSON object.
#pragma once

#include "engine/model/expert_counter.h"
#include "serve/answer_task.h"
#include "serve/exchange.h"
#include "serve/router.h"
#include "serve/snapshot_store.h"

#include <cstdint>
#include <string>

namespace hadal {

struct MonitorRouteOptions {
  std::string model_name;
  std::uint64_t started_seconds = 0;  ///< Unix time
};

/// Any thread.
class MonitorRoutes {
 public:
  /// @param experts, snapshots  may be null: not shown. All must outlive the routes.
  MonitorRoutes(ServingContext& context, const ExpertCounter* experts,
                const SnapshotStore* snapshots, MonitorRouteOptions options)
      : context_(context), experts_(experts), snapshots_(snapshots), options_(std::move(options)) {}

  void add_to(Router& router);

 private:
  void show(Exchange& exchange);

  ServingContext& context_;
  const ExpertCounter* experts_;
  const SnapshotStore* snapshots_;
  MonitorRouteOptions options_;
};

}  // namespace hadal
