#include "program.h"

#include "base/check.h"

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string_view>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace hadal::e2e {
namespace {

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void redirect(int descriptor, const std::string& path, int flags) {
  const int file = ::open(path.c_str(), flags, 0600);
  HADAL_CHECK(file >= 0 && ::dup2(file, descriptor) >= 0, "files of the test can be opened");
}

/// In the child: becomes the program.
[[noreturn]] void become(std::vector<std::string> arguments) {
  std::vector<std::string> names;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    if (text.starts_with("HADAL_")) names.emplace_back(text.substr(0, text.find('=')));
  }
  for (const std::string& name : names) ::unsetenv(name.c_str());
  ::setenv("HADAL_SETTINGS", "none", 1);
  arguments.insert(arguments.begin(), HADAL_PROGRAM);
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  ::execv(HADAL_PROGRAM, argv.data());
  ::_exit(127);
}

}  // namespace

Outcome run_program(const std::vector<std::string>& arguments, const std::string& input) {
  const TemporaryDirectory directory;
  const std::string in = directory.write("in", input);
  const pid_t child = ::fork();
  HADAL_CHECK(child >= 0, "a process can be started");
  if (child == 0) {
    redirect(STDIN_FILENO, in, O_RDONLY);
    redirect(STDOUT_FILENO, directory / "out", O_WRONLY | O_CREAT);
    redirect(STDERR_FILENO, directory / "err", O_WRONLY | O_CREAT);
    become(arguments);
  }
  int status = 0;
  HADAL_CHECK(::waitpid(child, &status, 0) == child, "the child can be waited for");
  return {.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1,
          .out = read_file(directory / "out"),
          .err = read_file(directory / "err")};
}

std::string TemporaryDirectory::write(const std::string& name, const std::string& text) const {
  const std::string path = *this / name;
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

}  // namespace hadal::e2e
