#include "serve/fair_share.h"

#include "base/check.h"

#include <algorithm>

namespace hadal {

void FairShare::arrive(const std::string& client) {
  Client& entry = clients_[client];
  if (entry.n_jobs++ > 0) return;
  entry.served = std::max(entry.served, share_);
  ++n_here_;
}

void FairShare::leave(const std::string& client) {
  Client& entry = clients_.at(client);
  HADAL_CHECK(entry.n_jobs > 0, "who leaves has arrived");
  if (--entry.n_jobs == 0) --n_here_;
}

void FairShare::charge(const std::string& client, std::size_t n_tokens) {
  HADAL_CHECK(n_here_ > 0, "tokens are computed for somebody");
  clients_.at(client).served += static_cast<double>(n_tokens);
  share_ += static_cast<double>(n_tokens) / static_cast<double>(n_here_);
}

double FairShare::served(const std::string& client) const {
  return clients_.at(client).served;
}

void FairShare::forget() {
  std::erase_if(clients_, [&](const auto& entry) {
    return entry.second.n_jobs == 0 && entry.second.served <= share_;
  });
}

}  // namespace hadal
