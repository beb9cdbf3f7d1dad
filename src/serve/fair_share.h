// Who is served next (serving.md section 4): tokens computed for each client, beside the part that
// each is due.
#pragma once

#include <cstddef>
#include <map>
#include <string>

namespace hadal {

/// Each client's tokens are summed; the fair share is what a client would have got that was here
/// all the time, with equal parts for all who are. Who comes, or comes back, is owed nothing from
/// the time before: he stands at the fair share, or where he was if he has had more. One thread.
class FairShare {
 public:
  /// A job of the client is there.
  void arrive(const std::string& client);
  /// One of its jobs has ended. The client has arrived as often.
  void leave(const std::string& client);
  /// Tokens were computed for a client that is here.
  void charge(const std::string& client, std::size_t n_tokens);
  /// Those with least come first. The client is here.
  double served(const std::string& client) const;
  /// Drops clients that are not here and whose sum says no more than the fair share does: a server
  /// that never rests would remember all that ever came.
  void forget();

  std::size_t n_known() const { return clients_.size(); }

 private:
  struct Client {
    double served = 0;       ///< tokens
    std::size_t n_jobs = 0;  ///< that have not ended
  };

  std::map<std::string, Client> clients_;
  std::size_t n_here_ = 0;  ///< clients with jobs
  double share_ = 0;        ///< tokens
};

}  // namespace hadal
